"""The part of a model card that a run can write: sections after Mitchell et al., or an error.

A card is written from ``results.json`` and a small YAML file of what only people know. Every
section must have something to say; the error names all that have not, so a card cannot be published
with a hole in it.

Source: Mitchell et al., Model Cards for Model Reporting, arXiv 1810.03993, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from facellm.errors import FaceLLMError
from facellm.strict_yaml import read_yaml

from .report import group_lines, summary, task_lines

MARKS = ("<!-- eval -->", "<!-- end of eval -->")
TESTED = ("test",)


@dataclass(frozen=True)
class Words:
    """What people write; each becomes a section of its own.

    Attributes:
        intended_use: What it is for, and what it is not for.
        factors: Groups and conditions that figures are sliced by, and those that are not.
        training_data: Sets, rows and terms.
        ethical_considerations: Harms and what was done about them.
        caveats: What a reader must know before use.
    """

    intended_use: str
    factors: str
    training_data: str
    ethical_considerations: str
    caveats: str


def read_words(path: Path) -> Words:
    """From a YAML file, strictly; ``FaceLLMError`` where a section is missing."""
    return read_yaml(path, Words)


def missing(results: dict[str, Any], words: Words) -> list[str]:
    """What keeps a card from being whole."""
    found = [f.name for f in fields(Words) if not getattr(words, f.name).strip()]
    if results["model"]["training_data"] is None:
        found.append("the model's record of training data (training_data.json)")
    if not results["tasks"]:
        found.append("a task")
    for name, task in results["tasks"].items():
        if task["split"] not in TESTED:
            found.append(f"figures of {name} on the test split (these are of {task['split']})")
        if task["limit"] is not None:
            found.append(f"all samples of {name} (these are {task['n']})")
        for metric in task["metrics"]:
            if metric["value"] is None:
                found.append(f"{metric['name']} of {name}")
    if not any(group["groups"] for task in results["tasks"].values() for group in task["groups"]):
        found.append("figures by group, of any task")
    return found


def card(results: dict[str, Any], words: Words) -> str:
    """The sections.

    Raises:
        FaceLLMError: If a field is missing; the message names all.
    """
    lacking = missing(results, words)
    if lacking:
        raise FaceLLMError(f"the card lacks: {'; '.join(lacking)}")
    tasks = results["tasks"].items()
    data = [f"- {name}: {told(task)}" for name, task in tasks]
    metrics = [f"- {name}: {', '.join(m['name'] for m in task['metrics'])}" for name, task in tasks]
    unitary = [line for name, task in tasks for line in (*task_lines(name, task), "")]
    groups = [g for _, task in tasks for g in task["groups"] if g["groups"]]
    sliced = [line for group in groups for line in (*group_lines(group), "")]
    sections = {
        "Intended use": [words.intended_use.strip()],
        "Factors": [words.factors.strip()],
        "Metrics": [*metrics, "", "Each with n and a bootstrap 95 % interval."],
        "Evaluation data": data,
        "Training data": [words.training_data.strip(), "", trained(results["model"])],
        "Quantitative analyses": [summary(results), "", *unitary, *sliced],
        "Ethical considerations": [words.ethical_considerations.strip()],
        "Caveats": [words.caveats.strip()],
    }
    parts = [f"## {title}\n\n" + "\n".join(lines).strip() for title, lines in sections.items()]
    return "\n\n".join(parts)


def told(task: dict[str, Any]) -> str:
    """The data of a task in a line."""
    data = task["data"]
    return (
        f"{data['source']}, {task['split']} split, {task['n']:,} samples (digest "
        f"`{data['digest'][:12]}`); {data['terms']}. Seen by the model: {task['seen']} "
        f"({task['seen_because']})."
    )


def trained(model: dict[str, Any]) -> str:
    """What the model's own record says."""
    sets = (f"{name} ({', '.join(splits)})" for name, splits in model["training_data"].items())
    return f"As recorded with the weights `{model['digest'][:12]}`: {', '.join(sets)}."
