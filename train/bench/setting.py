"""What the bench trains on: pictures of one public-domain face, made-up labels, a built corpus.

Nothing is read from outside the package: the face is scikit-image's astronaut, cut and lit
differently every time, the corpus is what ``facellm build`` makes of it, and the run is the preset
``tiny-cpu``. Pictures are decoded in the process that trains, so that no way of training works
ahead while another one has its turn.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.data import astronaut

from facellm.errors import FaceLLMError
from facellm.labels import EXPRESSIONS

from ..run_config import TrainRun, load_run
from ..train_command import CONFIGS

SIDE, TOP, LEFT, SHIFT = 180, 30, 130, 10  # pixels: where the astronaut's face is
PRESET, CORPUS = "tiny-cpu", "corpus"
BUILD = """\
name: bench
sources:
  - reader: plain_csv
    path: faces.csv
    faces: crops
    embed: true
    options:
      source: bench
      licence: public domain (NASA), labels made up
      columns: {path: path, split: split, expression: expression, age: age, male: male, mask: mask}
annotators: [grammar]
questions: {per_record: 6}
"""


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        runs: Turns of every way; medians are of so many.
        steps: Optimizer steps of a turn.
        pictures: Of the corpus.
        rows: Packed rows of a step.
        length: Tokens of a packed row at most.
        width: Of the language model whose memory is measured; a multiple of 64.
        layers: Its layers.
    """

    runs: int = 5
    steps: int = 1
    pictures: int = 48
    rows: int = 4
    length: int = 512
    width: int = 1024
    layers: int = 12

    def __post_init__(self) -> None:
        if self.runs < 2:
            raise FaceLLMError(f"{self.runs} runs have no quartiles: give at least 2")


QUICK = Sizes(runs=2, pictures=6, rows=2, length=256, width=128, layers=2)


@dataclass(frozen=True)
class Setting:
    """Where a bench works.

    Attributes:
        sizes: How much.
        corpus: Folder of the corpus.
        start: ``model.start`` of the runs.
        pictures: Folder of pictures that the corpus does not hold itself.
    """

    sizes: Sizes
    corpus: Path
    start: str = "shipped"
    pictures: str = ""

    def run(self, *changes: str) -> TrainRun:
        """The preset on the corpus, with ``section.key=value`` over it.

        Answers under the picture alone: what ``transformers.Trainer`` can learn too.
        """
        data = {
            "data.corpora": json.dumps([str(self.corpus)]),
            "data.pictures": json.dumps(self.pictures),
            "data.context": "none",
            "data.readouts": "false",
            "data.augment": "false",
            "data.landmarks_dropped": "0",
            "data.workers": "0",
            "data.max_tokens": str(self.sizes.length),
            "model.start": json.dumps(self.start),
            "schedule.micro_batch": str(self.sizes.rows),
            "schedule.global_batch": str(self.sizes.rows),
            "schedule.steps": "1000",
            "schedule.decay": "constant",
            "keep.valid_rows": "0",
        }
        usual = [f"{key}={value}" for key, value in data.items()]
        return load_run(CONFIGS / f"{PRESET}.yaml", [*usual, *changes])


def build_corpus(folder: Path, pictures: int) -> Path:
    """Draw pictures and labels, and have ``facellm build`` make a corpus of them.

    Args:
        folder: New or empty.
        pictures: How many.

    Returns:
        The corpus.

    Raises:
        FaceLLMError: If the builder fails; holds what it said last.
    """
    out = folder / CORPUS
    _write_faces(folder, pictures)
    config = folder / "build.yaml"
    config.write_text(BUILD)
    build = [sys.executable, "-m", "facellm", "build", str(config), "-o", str(out), "--quiet"]
    done = subprocess.run(
        [*build, "--data", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise FaceLLMError(f"the bench's corpus was not built: {said[-1]}")
    return out


def _write_faces(folder: Path, pictures: int) -> None:
    rng = np.random.default_rng(0)
    (folder / "pictures").mkdir(parents=True)
    with (folder / "faces.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("path", "split", "expression", "age", "male", "mask"))
        for index in range(pictures):
            path = f"pictures/{index:04}.png"
            Image.fromarray(_face(rng, mirrored=index % 2 == 1)).save(folder / path)
            expression = EXPRESSIONS[int(rng.integers(len(EXPRESSIONS)))]
            age, male = int(rng.integers(18, 80)), int(rng.integers(2))
            table.writerow((path, "train", expression, age, male, 0))


def _face(rng: np.random.Generator, *, mirrored: bool) -> NDArray[np.uint8]:
    """(SIDE, SIDE, 3): the astronaut's face in another cut and light."""
    down, right = rng.integers(-SHIFT, SHIFT + 1, 2)
    top, left = TOP + down, LEFT + right
    picture = astronaut()[top : top + SIDE, left : left + SIDE]
    picture = picture[:, ::-1] if mirrored else picture
    lit = 255 * (picture / 255.0) ** rng.uniform(0.8, 1.2) + rng.normal(0, 2, picture.shape)
    return np.clip(lit, 0, 255).astype(np.uint8)
