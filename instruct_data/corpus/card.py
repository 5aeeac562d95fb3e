"""The dataset card ``README.md``: Hugging Face front matter, counts, terms, rejections, samples.

Written from the counts alone, so it is the same whoever finishes the corpus. Pictures stand in it
only where the config embeds them; else nothing but text and paths leaves this folder.
"""

from __future__ import annotations

from typing import Any

import pyarrow.parquet as pq
from PIL import Image

from facellm.atomic import atomic_file
from facellm.errors import FaceLLMError
from facellm.images import load_image

from .config import SPLITS, CorpusConfig
from .folder import CorpusFolder

SAMPLE_SIDE = 256  # pixels, at most
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_LARGER = "1M<n<10M"

_HEAD = """\
---
pretty_name: {name}
language:
- en
license: other
license_name: terms-of-the-sources
task_categories:
- visual-question-answering
- image-text-to-text
tags:
- face
- instruction-tuning
size_categories:
- {size}
configs:
- config_name: default
  data_files:
{files}
---

# {name}

{records:,} records with {turns:,} questions and answers about {kept:,} of {read:,} rows that were
read; about {distinct} different questions, case and punctuation left out. Built by `facellm build`,
seed {seed}; the same config and data give the same bytes.

{pixels}

What a set's makers allow is listed below and travels with every record (`licence`). Answers say
what a face shows, or appears to be, never what a person feels or is; they come from the labels of
the sets and from measured geometry, and are wrong where those are.
"""
_EMBEDDED = "Pictures of the sets that the config embeds lie in the shards: mind their terms."
_REFERRED = (
    "No picture is in here: `images` names them by path, `file.parquet#key` for one inside of a "
    "Parquet file; whoever holds the sets finds them."
)


def card_text(config: CorpusConfig, counts: dict[str, Any], samples: dict[str, str]) -> str:
    """The card.

    Args:
        config: Of the corpus.
        counts: As in ``counts.json``.
        samples: Task -> picture of its sample, relative to the corpus.
    """
    splits = [split for split in SPLITS if split in counts["splits"]]
    files = "\n".join(f"  - split: {s}\n    path: shard-*-{s}.parquet" for s in splits)
    head = _HEAD.format(
        name=config.name,
        size=next((name for bound, name in _SIZES if counts["records"] < bound), _LARGER),
        files=files,
        records=counts["records"],
        turns=counts["turns"],
        kept=sum(at["rows"] for at in counts["splits"].values()),
        read=counts["rows"],
        distinct=f"{counts['distinct_questions']:,}",
        seed=config.seed,
        pixels=_EMBEDDED if any(source.embed for source in config.sources) else _REFERRED,
    )
    parts = [
        head,
        count_table("Tasks", "task", counts["tasks"]),
        count_table("Sources", "source", counts["sources"]),
        count_table("Splits", "split", {split: counts["splits"][split] for split in splits}),
        terms(counts["licences"]),
        rejections(counts),
        sample_part(counts["samples"], samples),
    ]
    return "\n".join(parts)


def count_table(title: str, name: str, counted: dict[str, Any]) -> str:
    """A table of rows, records and turns."""
    lines = [
        f"## {title}",
        "",
        f"| {name} | rows | records | questions |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        f"| {key} | {at['rows']:,} | {at['records']:,} | {at['turns']:,} |"
        for key, at in sorted(counted.items())
    ]
    return "\n".join(lines) + "\n"


def terms(licences: dict[str, list[str]]) -> str:
    """Terms by source."""
    lines = [
        f"- {source}: {'; '.join(said) if any(said) else 'not stated by its reader'}"
        for source, said in sorted(licences.items())
    ]
    return "\n".join(["## Terms", "", *lines]) + "\n"


def rejections(counts: dict[str, Any]) -> str:
    """What was left out, with its share of all rows read."""
    lines = ["## Left out", "", "Every row is in `rejected-*.jsonl` with its reason.", ""]
    lines += ["| source | step: reason | rows | of all rows |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {source} | {reason} | {number:,} | {100 * number / counts['rows']:.2f} % |"
        for source, reasons in sorted(counts["rejected"].items())
        for reason, number in sorted(reasons.items())
    ]
    return "\n".join(lines) + "\n"


def sample_part(samples: dict[str, Any], pictures: dict[str, str]) -> str:
    """One question and answer of every task."""
    lines = ["## Samples"]
    for task, sample in sorted(samples.items()):
        lines += ["", f"**{task}** (`{sample['id']}`)", ""]
        lines += [f"![{task}]({pictures[task]})", ""] if task in pictures else []
        lines += [f"> {' '.join(sample['question'].split())}", ">"]
        lines += [f"> {' '.join(sample['answer'].split())}"]
    return "\n".join(lines) + "\n"


def write_samples(folder: CorpusFolder, counts: dict[str, Any]) -> dict[str, str]:
    """Write small copies of the samples' pictures where the shards hold them; task -> file."""
    written = {}
    for task, sample in sorted(counts["samples"].items()):
        name = f"shard-{sample['shard']:05d}-{sample['split']}.parquet"
        found = pq.read_table(
            folder.path / name, columns=["images"], filters=[("id", "=", sample["id"])]
        ).to_pylist()
        images = found[0]["images"]
        if not images or images[0]["bytes"] is None:
            continue
        try:
            picture = Image.fromarray(load_image(images[0]["bytes"]))
        except FaceLLMError:  # an embedded clip has no still picture to show
            continue
        picture.thumbnail((SAMPLE_SIDE, SAMPLE_SIDE))
        (folder.path / "samples").mkdir(exist_ok=True)
        with atomic_file(folder.path / "samples" / f"{task}.png") as file:
            picture.save(file, "PNG")
        written[task] = f"samples/{task}.png"
    return written
