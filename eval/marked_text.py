"""What a command writes into a document: everything between two marks is replaced."""

from __future__ import annotations

from pathlib import Path

from facellm.errors import FaceLLMError


def replace_marked(path: Path, marks: tuple[str, str], body: str) -> None:
    """Replace what stands between the marks of a file.

    Raises:
        FaceLLMError: If it cannot be read, or does not hold both marks, in this order.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise FaceLLMError(f"{path}: cannot be read ({error.strerror})") from error
    before, begin, rest = text.partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not begin or not end:
        raise FaceLLMError(f"{path}: no {marks[0]} ... {marks[1]} in this file")
    path.write_text(f"{before}{begin}\n{body}\n{end}{after}", encoding="utf-8")
