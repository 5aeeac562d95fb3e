"""Made-up corpora with located faces, for the trainer: pictures are noise, labels are drawn."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from facellm.instruct_data.corpus.config import CorpusConfig, PluginConfig, SourceConfig
from facellm.instruct_data.corpus.finish import finish
from facellm.instruct_data.corpus.folder import CorpusFolder
from facellm.instruct_data.corpus.record import CorpusFace, ImageRef, Message, Record
from facellm.instruct_data.corpus.shards import ShardWriter
from facellm.train.run_config import TrainRun
from facellm.train.run_sections import DataConfig, ModelConfig, RatesConfig, ScheduleConfig

SIDE = 96
ANSWERS = {
    "expression": ("What is shown?", "Happiness: {votes} of 10 people read it so."),
    "age": ("How old?", "An apparent age of about {age} years."),
    "description": ("Describe the face.", "An apparent age of about {age} years. It smiles a bit."),
    "limits": ("Write a poem.", "I only answer questions about the faces in a picture."),
}


def mean_points(side=SIDE):
    """(68, 2) pixels of a frontal face in a picture of ``side``."""
    from facellm.instruct_data.annotate.facts import shipped_geometry

    shape = shipped_geometry().mean_shape.astype(np.float64)
    return (shape * side / 5 + side / 2).astype(np.float32)


def noise_png(number, side=SIDE):
    """PNG bytes of noise, other noise for every number."""
    small = np.random.default_rng(number).integers(0, 256, (12, 12, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC).save(file, "PNG")
    return file.getvalue()


def face(points=None):
    """One located face, or with ``points=False`` a box alone."""
    points = mean_points() if points is None else points
    box = (20.0, 20.0, 76.0, 76.0)
    if points is False:
        return CorpusFace(box, None, 0.2)
    low, high = points.min(0), points.max(0)
    return CorpusFace((*map(float, low), *map(float, high)), points, 0.9)


def face_records(count=8, tasks=tuple(ANSWERS), source="made-up", split="train"):
    """``count`` pictures with a record for every task, longer answers for higher numbers."""
    for number in range(count):
        labels = {"age": 20 + number, "male": number % 2 == 0, "votes": [0] * 10}
        labels["votes"][1], labels["votes"][0] = 7, 3
        for task in tasks:
            question, answer = ANSWERS[task]
            said = answer.format(votes=7, age=20 + number) + " So it is." * (number % 4)
            yield Record(
                id=f"{source}/{number}/{task}",
                messages=(Message("user", f"<image>\n{question}"), Message("assistant", said)),
                images=(ImageRef(f"{source}/{number}.png", None),),
                faces=(face(),),
                task=task,
                labels=labels,
                source=source,
                licence="made up",
                rating=None,
                split=split,
            )


def write_corpus(folder, records, shard_records=10):
    """A finished corpus of records."""
    records = list(records)
    config = CorpusConfig(
        (SourceConfig("made", "made", faces="none"),), (PluginConfig("made"),), name="made-up"
    )
    corpus = CorpusFolder(Path(folder))
    corpus.open(config)
    groups = [records[i : i + shard_records] for i in range(0, len(records), shard_records)]
    for shard, group in enumerate(groups):
        with corpus.locked(shard), ShardWriter(corpus, shard) as writer:
            for record in group:
                writer.write_records([record])
    corpus.tell_rows({"rows": len(records), "shards": len(groups), "sources": []})
    finish(corpus, config)
    return Path(folder)


def write_pictures(folder, records):
    """The pictures of records, each its own noise."""
    for number, path in enumerate(sorted({i.path for record in records for i in record.images})):
        file = Path(folder) / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(noise_png(number))
    return Path(folder)


def face_corpus(folder, records=None):
    """A corpus and its pictures: ``(corpus folder, picture folder)``."""
    records = list(face_records() if records is None else records)
    return write_corpus(folder / "corpus", records), write_pictures(folder / "pictures", records)


def train_run(corpus, pictures="", *, schedule=None, losses=None, **data):
    """A run on a corpus; decoding in the same process."""
    from facellm.train.run_losses import LossesConfig

    settings = {"max_tokens": 512, "workers": 0} | data
    return TrainRun(
        "instruct",
        ModelConfig(start="nowhere"),
        DataConfig((str(corpus),), str(pictures), **settings),
        RatesConfig(language_model=1e-4),
        schedule=ScheduleConfig(**{"micro_batch": 2, "global_batch": 4} | (schedule or {})),
        losses=LossesConfig(**losses or {}),
    )
