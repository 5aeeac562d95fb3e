"""An OpenAI-compatible server for tests: answers and fails by a script, keeps its requests."""

import json
import threading

from http_server import QuietHandler, running


class Endpoint(QuietHandler):
    """Takes one step of ``server.script`` a request; the last one is repeated.

    A step is a text (the answer), a dict (the answer as JSON), a number (an HTTP error), a pair (a
    text and what else its choice holds) or a function of the request's body that gives one of
    these.
    """

    def do_POST(self):
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.lock:
            server.requests.append(body)
            step = server.script.pop(0) if len(server.script) > 1 else server.script[0]
        step = step(body) if callable(step) else step
        if isinstance(step, int):
            self.reply(step, {"error": {"message": f"made-up error {step}"}})
            return
        step, more = step if isinstance(step, tuple) else (step, {})
        text = json.dumps(step) if isinstance(step, dict) else step
        choice = {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": text},
            **more,
        }
        usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
        self.reply(
            200,
            {
                "id": "1",
                "object": "chat.completion",
                "created": 0,
                "model": "m",
                "choices": [choice],
                "usage": usage,
            },
        )

    def reply(self, status, record):
        if self.server.raw is not None:
            status, data = 200, self.server.raw
        else:
            data = json.dumps(record).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        for name, value in self.server.headers.items() if status != 200 else ():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def serving(*script):
    """A running server; ``url``, ``requests``, ``script``, ``headers`` (of errors) and ``raw``."""
    state = {"requests": [], "script": list(script), "lock": threading.Lock()}
    return running(Endpoint, **state, headers={"Retry-After": "0.01"}, raw=None)


def picture_of(body):
    """The data URL of a request's picture, or None."""
    for message in body["messages"]:
        for part in message["content"] if isinstance(message["content"], list) else ():
            if part["type"] == "image_url":
                return part["image_url"]["url"]
    return None
