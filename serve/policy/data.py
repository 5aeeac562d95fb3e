"""The data files of the policy, in ``rules/``."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files
from typing import Any


@lru_cache(maxsize=64)
def read_json(name: str) -> Any:
    """What ``rules/NAME.json`` holds; not to be changed."""
    return json.loads(_text(f"{name}.json"))


@lru_cache(maxsize=1)
def ordinary_words() -> str:
    """Words that are never read as a misspelt one."""
    return _text("ordinary_words.txt")


def _text(file: str) -> str:
    return files("facellm.serve.policy").joinpath("rules", file).read_text("utf-8")
