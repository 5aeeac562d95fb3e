"""Bounds and doors of the gateway, in one frozen value.

Example: ``Settings(keys=("secret",), deadline=30.0)``
"""

from __future__ import annotations

from dataclasses import dataclass

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1", "[::1]"})


@dataclass(frozen=True)
class Settings:
    """How the gateway is run.

    Attributes:
        name: Name of the model, for clients.
        keys: API keys, any of which opens; none asks for no key.
        hosts: Names that requests may call this server by; None takes any (against pages of
            strangers that resolve their name to this machine).
        rate: Requests a key or address may make, as ``600/minute``; empty is no bound.
        running: Requests that are worked on at once.
        waiting: Requests that may wait; one more is answered with 429.
        deadline: Seconds until a request is given up with 504.
        drain: Seconds that running requests may take when the server is stopped.
        body: Bytes of a request.
        held: Bytes of all requests that are being received.
        pictures: Of a request.
        picture_bytes: Of one encoded picture.
        picture_pixels: Of one picture, as the guard takes them.
        clip_bytes: Of an encoded clip.
        chat_faces: Faces of a conversation.
        reading_faces: Faces of a request for readings.
        canary: Seconds that readiness is remembered.
    """

    name: str = "facellm"
    keys: tuple[str, ...] = ()
    hosts: frozenset[str] | None = None
    rate: str = "600/minute"
    running: int = 8
    waiting: int = 32
    deadline: float = 60.0
    drain: float = 30.0
    body: int = 48_000_000
    held: int = 400_000_000
    pictures: int = 8
    picture_bytes: int = 10_000_000
    picture_pixels: int = 25_000_000
    clip_bytes: int = 32_000_000
    chat_faces: int = 16
    reading_faces: int = 128
    canary: float = 15.0
