"""A process that decodes for the guard: one task after the other, under limits, and nothing else.

It owns no file but its pipes and one piece of shared memory, can create none, has no network where
the kernel lets it go, a bound on memory and on processor time, and dies with its parent.

Task: ``p`` or ``c`` and the number of bytes that lie in the shared memory. Answer: one line of
JSON, pixels in the shared memory: ``{"shape": [1, 480, 640, 3], "times": [0.0]}`` or ``{"status":
400, "code": "invalid_picture", "message": "..."}``.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import resource
import signal
import struct
import sys
from importlib.util import find_spec
from typing import Any

import numpy as np
from PIL import Image, JpegImagePlugin, MpoImagePlugin, PngImagePlugin, WebPImagePlugin

from facellm.images import Rgb

from .errors import BadPicture
from .pictures import MOST_PIXELS, decode_picture

TASK = struct.Struct("<cQ")
PICTURE, CLIP = b"p", b"c"
SHARED_BYTES = 256 * 2**20  # the largest clip, or 16 frames of 1,280 x 1,280
MEMORY = 1_500_000_000  # bytes on top of what the loaded libraries take
CPU_SECONDS = 40  # a task; the guard ends most before by the clock
MOST_FILES = 16
READY = b"ready\n"
# Named so that they are loaded before the limits are set: later no file can be opened.
PLUGINS = (JpegImagePlugin, MpoImagePlugin, PngImagePlugin, WebPImagePlugin)
_SIGNAL_WHEN_PARENT_ENDS = 1  # PR_SET_PDEATHSIG
_NEW_NETWORK, _NEW_USER = 0x40000000, 0x10000000  # CLONE_NEWNET, CLONE_NEWUSER


def main() -> None:
    """Serve until the parent closes the pipe; ``argv``: descriptor of the memory, parent's id."""
    memory, parent = int(sys.argv[1]), int(sys.argv[2])
    answers = os.dup(1)
    os.dup2(2, 1)  # what a library prints must not be taken for an answer
    die_with(parent)
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    decoders = {PICTURE: picture_task}
    if find_spec("av") is not None:
        from .clips import decode_clip

        decoders[CLIP] = decode_clip
    with mmap.mmap(memory, SHARED_BYTES) as shared:
        os.close(memory)
        confine()
        os.write(answers, READY)
        while len(task := os.read(0, TASK.size)) == TASK.size:
            kind, size = TASK.unpack(task)
            allow_processor_time()
            answer = answered(decoders, kind, shared, size)
            os.write(answers, json.dumps(answer).encode() + b"\n")


def picture_task(data: bytes) -> tuple[list[Rgb], list[float]]:
    """One picture as a clip of one frame."""
    return [decode_picture(data)], [0.0]


def answered(
    decoders: dict[bytes, Any], kind: bytes, shared: mmap.mmap, size: int
) -> dict[str, Any]:
    """Decode what lies in the shared memory and lay the pixels there."""
    try:
        if kind not in decoders:
            message = "clips need PyAV on the server: pip install 'facellm[clip]'"
            raise BadPicture(415, "unsupported_type", message)
        frames, times = decoders[kind](shared[:size])
    except BadPicture as error:
        return {"status": error.status, "code": error.code, "message": str(error)[:500]}
    at = 0
    for frame in frames:
        np.frombuffer(shared, np.uint8, frame.nbytes, at).reshape(frame.shape)[:] = frame
        at += frame.nbytes
    return {"shape": [len(frames), *frames[0].shape], "times": times}


def die_with(parent: int) -> None:
    """End when the parent ends, also when it was killed."""
    ctypes.CDLL(None).prctl(_SIGNAL_WHEN_PARENT_ENDS, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the line above
        os._exit(1)


def confine() -> None:
    """Give up what decoding does not need; a network of one's own is not allowed everywhere."""
    ctypes.CDLL(None).unshare(_NEW_USER | _NEW_NETWORK)
    with open("/proc/self/statm", "rb") as file:
        held = int(file.read().split()[0]) * resource.getpagesize()
    for limit, value in (
        (resource.RLIMIT_AS, held + MEMORY),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, MOST_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (value, value))
    if os.geteuid() != 0:  # a superuser is not bound by it, and it counts a user's every process
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


def allow_processor_time() -> None:
    """The kernel ends the process some seconds of work from now."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + 1 + CPU_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main()
