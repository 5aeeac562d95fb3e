"""A local HTTP server that runs while a test does."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class QuietHandler(BaseHTTPRequestHandler):
    """Tells stderr nothing."""

    def log_message(self, *_):
        """Silent."""


@contextmanager
def running(handler, **attributes):
    """A server of ``handler`` on a free port, in a thread of its own.

    Args:
        handler: Class of the handler.
        **attributes: What it finds on ``self.server``, beside ``url`` (with ``/v1``).
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.url = f"http://127.0.0.1:{server.server_port}/v1"
    for name, value in attributes.items():
        setattr(server, name, value)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
