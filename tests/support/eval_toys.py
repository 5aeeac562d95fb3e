"""Made-up data, functions and samples for tests of the evaluation harness."""

import io
import time

import numpy as np
from PIL import Image

from facellm.eval.harness.measures import accuracy, average_recall
from facellm.eval.harness.media import CROP, Media
from facellm.eval.harness.sample import Sample
from facellm.eval.harness.scorers import label_scorer
from facellm.eval.harness.task import Data, Task
from facellm.labels import EXPRESSIONS

VOTES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
USAGES = {"Training": 24, "PublicTest": 12, "PrivateTest": 10}


def write_ferplus(folder):
    """FER2013 and FER+ in their own layout: faces that are grey, clear votes of three kinds."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    pixels, votes = (
        ["emotion,pixels,Usage"],
        ["Usage,Image name," + ",".join(VOTES) + ",unknown,NF"],
    )
    number = 0
    for usage, count in USAGES.items():
        for _ in range(count):
            kind = number % 3
            grey = rng.integers(0, 60, (48, 48)) + 60 * kind
            pixels.append(f"0,{' '.join(map(str, grey.ravel()))},{usage}")
            counts = [0] * 10
            counts[kind], counts[3] = 8, 2
            votes.append(f"{usage},fer{number:07d}.png," + ",".join(map(str, counts)))
            number += 1
    (folder / "fer2013.csv").write_text("\n".join(pixels) + "\n")
    (folder / "fer2013new.csv").write_text("\n".join(votes) + "\n")
    return folder


def png(shade, side=16):
    """A grey picture as PNG, with some texture."""
    grid = np.add.outer(np.arange(side), 3 * np.arange(side)) % 17
    out = io.BytesIO()
    Image.fromarray((grid + shade).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def samples(count, target=EXPRESSIONS[1], options=EXPRESSIONS[:3], **more):
    """Samples of one target."""
    question = "Which expression does this face show?"
    return [
        Sample(f"s{n}", (Media(png(n), face=CROP),), question, options, target, **more)
        for n in range(count)
    ]


def toy_task(listed, **changes):
    """A task over given samples, whichever path and split are asked for."""
    given = {
        "name": "toy",
        "version": 1,
        "title": "a toy",
        "data": Data("toy", "nowhere", ("toy",)),
        "samples": lambda path, split: iter(listed),
        "score": label_scorer(),
        "metrics": (accuracy(), average_recall()),
        "ways": ("closed", "free"),
    }
    return Task(**given | changes)


def own():
    """A task of one's own, as a module's function."""
    return toy_task(samples(2))


def shade_of(pictures):
    """Which third of the greys a picture of ``write_ferplus`` lies in."""
    return min(int(pictures[0].mean() // 60), 2)


def sure(pictures, prompt, options):
    """Right about ``write_ferplus``; keeps its answers, as it has a version."""
    sure.asked += 1
    place = shade_of(pictures)
    return {option: 0.86 if n == place else 0.02 for n, option in enumerate(options)}


sure.version, sure.asked = 1, 0


def slow(pictures, prompt, options):
    """As ``sure``, but slowly."""
    time.sleep(0.25)
    return sure(pictures, prompt, options)


slow.version = 1


def chance(pictures, prompt, options):
    """Words, a different one each time, and no version: nothing is kept."""
    chance.asked += 1
    return ("It shows happiness.", "I cannot tell.", "sad or angry")[chance.asked % 3]


chance.ways, chance.asked = ("free",), 0


def broken(pictures, prompt, options):
    """Fails."""
    raise RuntimeError("out of order")


def constant(pictures, prompt, options):
    """Always the first option."""
    return [0.0] + [-9.0] * (len(options) - 1)


constant.version = 1
