"""Enough of an OpenAI-compatible server for tests: it streams a fixed reply and keeps requests."""

import json

from http_server import QuietHandler, running

REPLY = ("It shows ", "happi", "ness.")


class Endpoint(QuietHandler):
    """Streams ``server.reply``; with another ``server.status`` than 200, an error."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(
            (self.path, {k.lower(): v for k, v in self.headers.items()}, body)
        )
        if self.server.status != 200:
            self.send_response(self.server.status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b'{"error": {"message": "no such model"}}')
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for piece in self.server.reply:
            chunk = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m"}
            chunk["choices"] = [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")


def serving():
    """A running server; ``url``, ``requests``, ``status`` and ``reply`` are its attributes."""
    return running(Endpoint, requests=[], status=200, reply=list(REPLY))
