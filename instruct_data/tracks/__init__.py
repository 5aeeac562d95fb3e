"""Special tracks of the corpus: study behaviour and dialogues with nonverbal tokens.

``ANNOTATORS`` holds a factory for each; a build hands it the options of its configuration.
"""

from __future__ import annotations

from collections.abc import Callable

from ..corpus.record import Annotator
from .academic import academic
from .nonverbal import nonverbal

ANNOTATORS: dict[str, Callable[..., Annotator]] = {"academic": academic, "nonverbal": nonverbal}
