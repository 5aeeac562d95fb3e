"""LLaMA-Factory: ``dataset_info.json`` and ShareGPT-style lists with ``messages`` and ``images``.

``dataset_info.json`` names one data set a split, ``facellm_train`` of ``train.json`` and so on, so
``--dataset_dir F --dataset facellm_train`` is all that its trainer needs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from facellm.atomic import read_json, told_in_words, write_json
from facellm.errors import FaceLLMError

from ..record import ImageRef, Record
from .fields import message_from, own_fields, record_from, texts
from .json_list import read_list, write_list

INFO = "dataset_info.json"
_COLUMNS = {"messages": "messages", "images": "images"}
_TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
}
# What LLaMA-Factory takes where an entry says nothing.
_USUAL = {"role_tag": "from", "content_tag": "value", "user_tag": "human", "assistant_tag": "gpt"}


class LlamaFactory:
    """The format."""

    def export(self, records: Iterable[Record], out: Path, split: str) -> int:
        """Write ``SPLIT.json`` and its entry of ``dataset_info.json``."""
        with told_in_words(out):
            out.mkdir(parents=True, exist_ok=True)
        count = write_list(out / f"{split}.json", (entry_of(record) for record in records))
        info = read_json(out / INFO) if (out / INFO).is_file() else {}
        info[f"facellm_{split}"] = {
            "file_name": f"{split}.json",
            "formatting": "sharegpt",
            "columns": _COLUMNS,
            "tags": _TAGS,
        }
        write_json(out / INFO, info)
        return count

    def read(self, path: Path) -> Iterator[Record]:
        """Records of every data set that a folder's ``dataset_info.json`` names."""
        folder = path if path.is_dir() else path.parent
        for name, described in sorted(read_json(folder / INFO).items()):
            where = f"{folder / INFO}, {name}"
            if described.get("formatting") != "sharegpt" or "file_name" not in described:
                raise FaceLLMError(f"{where}: is no ShareGPT-style file")
            file = folder / described["file_name"]
            for number, entry in enumerate(read_list(file), 1):
                yield record_of(entry, described, f"{file}, record {number}")


def entry_of(record: Record) -> dict[str, Any]:
    """One entry."""
    return {
        "messages": [vars(message) for message in record.messages],
        "images": [image.path for image in record.images],
        "facellm": json.dumps(own_fields(record), ensure_ascii=False),
    }


def record_of(entry: dict[str, Any], described: dict[str, Any], where: str) -> Record:
    """The record of one entry, by the columns and tags of its description.

    Raises:
        FaceLLMError: If it does not fit; ``where`` is named.
    """
    columns = {"messages": "conversations", "images": "images"} | described.get("columns", {})
    tags = _USUAL | described.get("tags", {})
    roles = {tags["user_tag"]: "user", tags["assistant_tag"]: "assistant"}
    turns = entry.get(columns["messages"])
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        raise FaceLLMError(f"{where}: has no list {columns['messages']!r}")
    messages = [
        message_from(
            roles.get(turn.get(tags["role_tag"])) or turn.get(tags["role_tag"]),
            turn.get(tags["content_tag"]),
            where,
        )
        for turn in turns
    ]
    images = [ImageRef(path) for path in texts(entry.get(columns["images"]), where)]
    fields = json.loads(entry["facellm"]) if "facellm" in entry else {}
    return record_from(fields, messages, images, where)
