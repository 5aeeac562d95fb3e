"""What the examples of ``facellm build audit``, ``forge`` and ``synth`` name, small.

First rows of the real sets where those lie beside the repository, and copies of one photograph.
"""

import io
import shutil
from itertools import islice

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from shared_data import DATA

from facellm.cli import main
from facellm.instruct_data.prepare import STORED, prepare_set
from facellm.instruct_data.readers import open_set, strict

SUBVERBS = ("audit", "forge", "synth")
RIG = "ict_facekit/ict_facekit.npz"
ROWS = {"ferplus": 200, "utkface": 24}
CORPUS = """\
sources: [{reader: ferplus, path: ferplus.parquet, faces: crops}]
annotators: ["corpus_toys:LabelAnnotator"]
pictures: {landmarks: optional, least_quality: 0.0}
"""
# Many, and large, by default.
SMALL = {"forge": ["--n", "4"], "synth": ["--n", "3", "--size", "32", "--workers", "1"]}


def is_of_sets(command):
    """Whether a command is one of these sub-verbs."""
    words = command.split()
    return words[:2] == ["facellm", "build"] and words[2] in SUBVERBS


def skip_without_data(command):
    """Skip, saying so, where an example names a set that is not there."""
    wanted = {"build audit": "ferplus.parquet", "utkface": "utkface.parquet", "--rig": RIG}
    for word, name in wanted.items():
        if word in command and not (DATA / name).is_file():
            pytest.skip(f"{name} is not in {DATA} (set FACELLM_DATA)")


def lay_out(folder, photo, clip):
    """Make the folder.

    Args:
        folder: To be made.
        photo: A picture of one face.
        clip: A video file of one.
    """
    for name in ("photos/ann", "photos/bob", "shots", "clips", "data"):
        (folder / name).mkdir(parents=True)
    for name in ("photos/ann/1.jpg", "photos/bob/1.jpg", *(f"shots/{n}.jpg" for n in range(6))):
        shutil.copy(photo, folder / name)
    shutil.copy(clip, folder / "clips")
    (folder / "data" / "ict_facekit").symlink_to(DATA / "ict_facekit")
    for name, rows in ROWS.items():
        if (DATA / f"{name}.parquet").is_file():
            first_rows(name, rows, folder)
    if (folder / "ferplus.parquet").is_file():
        write_labels(folder)


def first_rows(name, rows, folder):
    """The first rows of a real set, as its own file and prepared."""
    batches = pq.ParquetFile(DATA / f"{name}.parquet").iter_batches(rows)
    table = pa.Table.from_batches([next(batches)])
    pq.write_table(table, folder / f"{name}.parquet")
    read = strict(open_set(name, folder / f"{name}.parquet"))
    prepare_set(read, STORED[name], folder / ".cache" / "default" / name)


def write_labels(folder):
    """A CSV of pictures and labels, and a corpus, both of FER+."""
    lines = ["path,label"]
    (folder / "crops").mkdir()
    for row in islice(strict(open_set("ferplus", folder / "ferplus.parquet")), 120):
        with Image.open(io.BytesIO(row.picture)) as picture:
            picture.save(folder / "crops" / f"{len(lines)}.png")
        lines.append(f"crops/{len(lines)}.png,{('sadness', 'anger')[row.votes[0] > 3]}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    (folder / "faces.yaml").write_text(CORPUS)
    out = str(folder / "corpus")
    assert main(["build", str(folder / "faces.yaml"), "-o", out, "--quiet"]) == 0


def prepared(command):
    """The command with little to do, and a folder of its own to write."""
    words = command.split()
    if words[2] in SMALL:
        shutil.rmtree(words[words.index("-o") + 1], ignore_errors=True)
    return " ".join([command, *SMALL.get(words[2], ())])
