"""A made-up corpus: a reader, an annotator and a search for duplicates small enough for tests.

Configs name them as ``corpus_toys:read_toys`` and so on, as a user's own would be named; processes
that are spawned find them too.
"""

import hashlib
import io
import os
import time
from pathlib import Path

import numpy as np
from PIL import Image

from facellm.instruct_data.corpus.config import (
    CorpusConfig,
    PictureBounds,
    PluginConfig,
    SourceConfig,
)
from facellm.instruct_data.corpus.record import Exchange
from facellm.readers.row import FaceRow, Rejection

SIDE = 40


def toy_picture(number):
    """PNG bytes of noise, other noise for every number."""
    pixels = np.random.default_rng(number).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def read_toys(path, rows=20, same=0):
    """``rows`` pictures; one in seven cannot be decoded, the last ``same`` are the first again."""
    for number in range(rows):
        shown = number - (rows - same) if number >= rows - same else number
        yield FaceRow(
            source="toys",
            key=f"toy/{number}",
            split=("train", "train", "valid", "test")[number % 4],
            picture=b"no picture" if number % 7 == 6 else toy_picture(shown),
            age=shown,
            votes=(number % 10, 3, 0, 0, 0, 0, 0, 0, 1, 0),
            licence="made up",
            where=f"{path}, row {number}",
        )


def read_some_bad(path):
    """The toys, every third of them refused by the reader."""
    for number, row in enumerate(read_toys(path, rows=12)):
        if number % 3 == 1:
            where = f"{path}, row {number}"
            yield Rejection("toys", row.key, "read", "label outside the set", "age 200", where)
        else:
            yield row


class LabelAnnotator:
    """Says the labels: two questions about the age, one about the expression."""

    name = "labels"

    def __init__(self, pause=0.0):
        self.pause = pause  # seconds a batch, so that a test can kill a run

    def annotate(self, drafts):
        time.sleep(self.pause)
        return [
            (
                Exchange("age", "age", f"{draft.row.age} years."),
                Exchange("expression", "expression", "neutral: most taggers say so."),
                Exchange("age", "age", f"It shows an apparent age of {draft.row.age}."),
            )
            for draft in drafts
        ]


class SameBytes:
    """Two pictures with the same pixels are duplicates; the later row goes."""

    def fingerprint(self, picture):
        return np.frombuffer(hashlib.sha256(picture.tobytes()).digest()[:8], np.uint64)

    def duplicate_drops(self, fingerprints, splits, keys):
        first, drops = {}, {}
        for print_, key in zip(fingerprints[:, 0], keys, strict=True):
            if (earlier := first.setdefault(print_, key)) != key:
                drops[key] = f"same picture as {earlier}"
        return drops


def toy_config(rows=20, shard_rows=6, **changes):
    """A config of the toys: no faces are looked for."""
    embed, same = changes.pop("embed", False), changes.pop("same", 0)
    pause = changes.pop("pause", 0.0)
    source = SourceConfig(
        "corpus_toys:read_toys",
        "toys",
        {"rows": rows, "same": same},
        faces="none",
        embed=embed,
    )
    annotator = PluginConfig("corpus_toys:LabelAnnotator", {"pause": pause})
    settings = {"name": "toys", "seed": 3, "shard_rows": shard_rows} | changes
    bounds = PictureBounds(least_side=SIDE)
    return CorpusConfig((source,), (annotator,), pictures=bounds, **settings)


def files_of(folder):
    """Relative path -> bytes of everything a corpus holds, hidden files left out."""
    folder = Path(folder)
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def toy_environment():
    """Environment of a process that finds this module."""
    here = str(Path(__file__).parent)
    paths = [here, *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
