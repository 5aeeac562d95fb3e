"""A small real server on a unix socket that answers as vLLM's token endpoint does; to be killed.

``python toy_server.py SOCKET MODE...``: modes are ``never-ready``, ``fails`` (ends at once, with a
word on stderr), ``slow`` (a second between tokens), ``family`` (starts a child that writes its pid
beside the socket), ``broken`` (500 to every answer) and ``odd`` (lines that are no JSON). A file
``SOCKET.blind`` makes it forget log-probabilities.
"""

import json
import math
import os
import socketserver
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler

from facellm.labels import QUERIES

SOCKET, MODES = sys.argv[1], sys.argv[2:]
TOKENS = [[45], [300, 301], [302]]


def even_table() -> list[dict[str, float]]:
    """A reading that knows nothing: every label of a query is as likely as the others."""
    sizes = [len(query.labels) for query in QUERIES for _ in query.labels]
    values = [-math.log(size * len(QUERIES)) for size in sizes]
    return [{"token_id": index, "logprob": value} for index, value in enumerate(values)]


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def address_string(self) -> str:
        return "unix"

    def answer(self, status: int, record: object) -> None:
        data = json.dumps(record).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        if self.path == "/health":
            self.answer(503 if "never-ready" in MODES else 200, {})
        else:
            self.answer(200, {"version": "0.0.toy"})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if "broken" in MODES and asked.get("stream"):
            self.answer(500, {"error": {"message": "EngineCore is dead"}})
        elif asked["model"] == "unknown":
            self.answer(404, {"error": {"message": "no such model"}})
        elif asked.get("stream"):
            self.stream()
        else:
            choice = {"token_ids": [45], "finish_reason": "length"}
            if "logprobs" in asked["sampling_params"] and not os.path.exists(f"{SOCKET}.blind"):
                choice["logprobs"] = {"content": [{"top_logprobs": even_table()}]}
            self.answer(200, {"choices": [choice]})

    def stream(self) -> None:
        self.send_response(200)
        self.end_headers()
        for place, tokens in enumerate(TOKENS):
            finish = "stop" if place == len(TOKENS) - 1 else None
            line = json.dumps({"choices": [{"token_ids": tokens, "finish_reason": finish}]})
            self.wfile.write(f"data: {'{' if 'odd' in MODES else ''}{line}\n\n".encode())
            self.wfile.flush()
            time.sleep(1.0 if "slow" in MODES else 0.0)
        self.wfile.write(b"data: [DONE]\n\n")


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


if "fails" in MODES:
    sys.exit("no memory left")
if "family" in MODES:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with open(f"{SOCKET}.child", "w") as file:
        file.write(str(child.pid))
with open(f"{SOCKET}.pid", "w") as file:
    file.write(str(os.getpid()))
Server(SOCKET, Handler).serve_forever()
