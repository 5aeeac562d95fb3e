"""The report of an adaptation: ``report.json``, and the same for reading as ``report.md``."""

from __future__ import annotations

import math
from typing import Any

NO_GAIN = "does not help beyond noise"
GAIN, WORSE = "helps", "is worse"


def verdict(record: dict[str, Any]) -> str:
    """What the held-out faces say of a label: ``helps``, ``is worse``, or nothing beyond noise.

    The difference's interval must leave out 0: of accuracy where there are classes, else of the
    error. A correction of strength 0 leaves the base's reading as it is.
    """
    if record.get("strength") == 0:
        return f"{NO_GAIN}: the base's own reading stays"
    name, found = next(iter(record["difference"].items()))
    low, high = found["low"], found["high"]
    if low is None or high is None:
        return "cannot be judged on these faces"
    if found["better"] == "lower":
        low, high = -high, -low
    against = "the base rate" if "base_rate" in record else "the unadapted model"
    if low > 0:
        return f"{GAIN}: {name} {shown(found)} against {against}"
    return (
        f"{WORSE}: {name} {shown(found)} against {against}"
        if high < 0
        else f"{NO_GAIN}: {name} {shown(found)} against {against}"
    )


def report_text(report: dict[str, Any]) -> str:
    """The report as Markdown."""
    faces = report["faces"]
    lines = [
        f"# Adapter {report['adapter']}",
        "",
        f"{faces['used']} faces of {faces['lines']} lines: {faces['train']} to learn from, "
        f"{faces['valid']} to choose by, {faces['test']} held out "
        f"({faces['test_groups']} subjects or pictures). {faces['left_out']} lines were left out.",
        "",
        f"LoRA rank {report['training']['rank']} on the language model, "
        f"{report['training']['parameters']:,} parameters, epoch "
        f"{report['training']['best_epoch']} of {report['training']['epochs']} kept, seed "
        f"{report['training']['seed']}, {report['seconds']:.0f} s. Values say what faces show. "
        "Intervals are 95 %, a bootstrap over subjects or pictures.",
    ]
    for name, record in report["labels"].items():
        lines += ["", f"## {name}", "", *label_lines(record)]
    lines += ["", "## Old tasks", "", *old_lines(report["old_tasks"])]
    if report["problems"]:
        lines += ["", "## Lines left out", ""]
        lines += [f"- {where}: {reason}" for where, reason in report["problems"]]
    return "\n".join(lines) + "\n"


def label_lines(record: dict[str, Any]) -> list[str]:
    """One label's part."""
    lines = [f"This label **{record['verdict']}**."]
    if "note" in record:
        lines.append(f"Mind: {record['note']}.")
    what = "correction" if record["corrects"] else "new label"
    told = f"{what}, n = {record['n']}, temperature {record['temperature']:.2f}"
    if record["corrects"]:
        told += f", strength {record['strength']:.2f}"
    if "base_rate" in record:
        base = record["base_rate"]
        told += f"; base rate {base['share']:.3f} ({base['class']})"
    lines += [f"A {told}.", ""]
    lines += ["| figure | adapted | unadapted | difference |", "| --- | --- | --- | --- |"]
    for name, found in record["figures"].items():
        before = record.get("unadapted", {}).get(name)
        apart = record["difference"].get(name) if before else None
        lines.append(f"| {name} | {shown(found)} | {shown(before)} | {shown(apart)} |")
    if "base_rate" in record:
        name, found = next(iter(record["difference"].items()))
        lines.append(f"| {name} | | | {shown(found)} |")
    if "classes" in record:
        counts = ", ".join(f"{k} {v}" for k, v in record["classes"].items())
        lines += ["", f"Faces of each class: {counts}."]
    return lines


def old_lines(old: dict[str, Any]) -> list[str]:
    """What became of everything the adapter was not taught."""
    lines = [
        "Readings that are not corrected come from the unadapted weights: largest change of a "
        f"log-probability on the held-out faces {old['largest_change']:g}."
    ]
    for name, record in old["sets"].items():
        lines += ["", f"### {name}, n = {record['n']}", ""]
        lines += ["| figure | adapted | unadapted | difference |", "| --- | --- | --- | --- |"]
        lines += [
            f"| {k} | {shown(v)} | {shown(record['unadapted'][k])} | "
            f"{shown(record['difference'][k])} |"
            for k, v in record["figures"].items()
        ]
    if old["corrected"] and not old["sets"]:
        lines.append(
            "No prepared set was there (FACELLM_CACHE): what corrections do to faces of other "
            "kinds was not measured."
        )
    return lines


def shown(found: dict[str, Any] | None) -> str:
    """``0.912 [0.880, 0.940]``; a dash where there is none."""
    if found is None:
        return "-"
    values = [math.nan if found[k] is None else found[k] for k in ("value", "low", "high")]
    if math.isnan(values[0]):
        return "not defined"
    return f"{values[0]:.3f} [{values[1]:.3f}, {values[2]:.3f}]"
