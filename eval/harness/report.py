"""report.md and report.html of a run, both written from results.json and the plots.

The page holds everything in itself: no script, no font, no address is loaded.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from facellm.atomic import write_text

from .files import REPORT_HTML, REPORT_MD
from .judging import judges_lines, shown_agreement
from .results import shown_metric, shown_value

Plots = Mapping[str, Mapping[str, str]]  # task -> kind -> SVG
PLOTS = "plots"


def write_reports(folder: Path, results: dict[str, Any], plots: Plots) -> None:
    """Write both, and the plots as files for the first."""
    (folder / PLOTS).mkdir(exist_ok=True)
    for task, kinds in plots.items():
        for kind, svg in kinds.items():
            write_text(folder / PLOTS / f"{task}-{kind}.svg", svg)
    write_text(folder / REPORT_MD, markdown(results, plots))
    write_text(folder / REPORT_HTML, html(results, plots))


def html(results: dict[str, Any], plots: Plots) -> str:
    """The page."""
    from jinja2 import Environment, StrictUndefined

    template = files("facellm.eval.harness").joinpath("report.html").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters |= {"metric": shown_metric, "uri": svg_uri}
    told = {"said_by": said_by, "temperature_line": temperature_line}
    environment.globals |= {"shown": shown_value, "agreement": shown_agreement}
    return environment.from_string(template).render(
        r=results, plots=plots, beside=beside, gap_line=gap_line, **told
    )


def svg_uri(svg: str) -> str:
    """An SVG as a data URI."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def beside(task: dict[str, Any], metric: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """What stands beside a metric: the floor's figure, and published rows."""
    floor = next((f for f in task["floor"] or () if f["name"] == metric["name"]), None)
    rows = [row for row in task["published"] if row["metric"] == metric["name"]]
    return ("" if floor is None else shown_metric(floor)), rows


def said_by(row: dict[str, Any]) -> str:
    """Where a published figure is from, how it came here, what makes it differ from ours."""
    told = row["source"] + (f", {row['provenance']}" if row["provenance"] else "")
    return f"{told}: {row['note']}" if row["note"] else told


def temperature_line(fitted: dict[str, Any]) -> str:
    """A fitted temperature in words."""
    return f"{fitted['value']:.2f}, fitted on {fitted['rows']:,} rows of {fitted['source']}"


def markdown(results: dict[str, Any], plots: Plots) -> str:
    """The same as text."""
    model = results["model"]
    lines = [f"# {model['name']}", "", f"`{results['command']}`", ""]
    lines += [f"Weights or address: `{model['digest'][:16]}`.", "", summary(results), ""]
    for name, task in results["tasks"].items():
        lines += [*task_lines(name, task), ""]
        lines += [f"![{kind} of {name}]({PLOTS}/{name}-{kind}.svg)" for kind in plots.get(name, {})]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def summary(results: dict[str, Any]) -> str:
    """One line a task: its headline, the floor, whether the data were seen."""
    lines = ["| task | split | figure | value, 95 % interval | small network | seen |"]
    lines.append("|---|---|---|---|---|---|")
    for name, task in results["tasks"].items():
        metric = task["metrics"][0]
        floor, _ = beside(task, metric)
        shown = shown_metric(metric)
        cells = (name, task["split"], metric["name"], shown, floor or "-", task["seen"])
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def task_lines(name: str, task: dict[str, Any]) -> list[str]:
    """One task in Markdown."""
    lines = [f"## {name}", "", f"{task['title']}. Version {task['version']}, asked by "]
    lines[-1] += f"{task['way']}; {task['split']} split, {task['n']:,} of {task['available']:,}. "
    lines[-1] += f"Seen: {task['seen']} ({task['seen_because']})."
    lines += [
        "",
        "| figure | value, 95 % interval | small network | published |",
        "|---|---|---|---|",
    ]
    for metric in task["metrics"]:
        floor, rows = beside(task, metric)
        told = "; ".join(
            f"{row['system']} {shown_value(row['value'], metric['unit'])} ({said_by(row)})"
            for row in rows
        )
        lines.append(f"| {metric['name']} | {shown_metric(metric)} | {floor} | {told} |")
    counts = ", ".join(f"{name} {count:,}" for name, count in task["outcomes"].items())
    lines += ["", f"Outcomes: {counts}."]
    if task["fixed"]:
        lines.append(f"Fixed beforehand: {task['fixed']}.")
    if task["temperature"]:
        lines.append(f"Temperature: {temperature_line(task['temperature'])}.")
    rejected = task["data"]["rejected"]
    if rejected:
        told = ", ".join(f"{reason} {count:,}" for reason, count in rejected.items())
        lines.append(f"Rows of the set that could not be samples: {told}.")
    if task.get("judges"):
        lines += ["", *judges_lines(task["judges"])]
    for group in task["groups"]:
        lines += ["", *group_lines(group)]
    return lines


def group_lines(group: dict[str, Any]) -> list[str]:
    """One column's groups in Markdown."""
    lines = [f"| {group['column']} | {group['metric']} |", "|---|---|"]
    lines += [f"| {one['group']} | {shown_metric(one)} |" for one in group["groups"]]
    lines += [f"| {n} | too small (n {count}) |" for n, count in group["too_small"].items()]
    if group["difference"] is not None:
        lines += ["", gap_line(group)]
    return lines


def gap_line(group: dict[str, Any]) -> str:
    """The gap between groups in a sentence."""
    gap, ratio, pair = group["difference"], group["ratio"], group["pair"]
    line = f"Largest difference {gap['value']:.3f} [{gap['low']:.3f}, {gap['high']:.3f}]"
    if ratio["value"] is not None:
        line += f", smallest to largest {ratio['value']:.2f}"
    if pair is None:
        return line + "."
    flag = "more than chance" if group["flagged"] else "not more than chance"
    return f"{line}; {pair['better']} against {pair['worse']}: {flag} (p = {group['p_value']:.3f})."
