"""Why a picture is not taken: a status of HTTP, a code for programs, a sentence for people.

Example: ``BadPicture(415, "unsupported_type", "an animated PNG; send one still picture ...")``.
"""

from __future__ import annotations

from facellm.errors import FaceLLMError

INVALID, TOO_LARGE, UNSUPPORTED = "invalid_picture", "picture_too_large", "unsupported_type"
SLOW, BUSY = "picture_too_slow", "guard_busy"


class BadPicture(FaceLLMError):
    """A picture or clip that is not decoded, or not taken now.

    Args:
        status: 400 damaged or too small, 413 too large, 415 of another kind, 503 no worker is free,
            504 not decoded within the deadline.
        code: One of this module's.
        message: What was found and what the bound is.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code
