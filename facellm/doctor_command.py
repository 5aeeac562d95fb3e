"""``facellm doctor``: what is installed, on what machine, with which weights, and what is missing.

Every line is ``ok``, ``note`` or ``MISSING``, and what is missing comes with the command that mends
it. Exit code 0 where ``facellm ask`` can work, 1 where it cannot.

Example::

    $ facellm doctor
    ok       python 3.11.11 on Linux x86_64, 2 cores, 24 GB
    ok       torch 2.13.0, on the CPU with 2 threads
    ok       weights facellm/weights, 25.4 MB, sha256 1f3c0a...
    note     extra train: pyyaml is not installed: pip install 'pyyaml>=6'
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from facellm.adapter_labels import add_adapter_argument
from facellm.cli import new_parser

PACKAGE = "facellm"
OK, NOTE, MISSING = "ok", "note", "MISSING"
UNFIT = 1  # exit code
# Extras whose own needs must not come along: open_clip's torchvision may not fit torch, and breaks
# transformers then. facellm.train.open_clip_bridge imports open_clip without it.
WITHOUT_NEEDS = ("open-clip",)
EXAMPLES = """\
  facellm doctor
  facellm doctor --json                        the same for a bug report
  facellm doctor --model my-weights/
  facellm doctor --model my-weights/ --adapter adapter/
"""


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        state: ``ok``, ``note`` (works, but something optional is absent) or ``MISSING``.
        text: What was found.
        mend: The command that mends it; empty where nothing has to be.
    """

    state: str
    text: str
    mend: str = ""


def new_doctor_parser() -> argparse.ArgumentParser:
    """Arguments of the verb."""
    parser = new_parser("doctor", "Say what is installed and what is missing.", EXAMPLES)
    parser.add_argument("--json", action="store_true", help="one JSON array")
    add_adapter_argument(parser)
    return parser


def main(argv: list[str]) -> int:
    """Run the verb."""
    args = new_doctor_parser().parse_args(argv)
    findings = list(examine(args.model, args.adapter))
    if args.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            print(f"{finding.state:8} {finding.text}" + (f": {finding.mend}" * bool(finding.mend)))
    return UNFIT if any(finding.state == MISSING for finding in findings) else 0


def examine(weights: Path | None, adapter: Path | None = None) -> Iterator[Finding]:
    """Every finding, needed things first."""
    yield machine()
    packages = list(package_findings())
    yield from packages
    if not any(finding.state == MISSING for finding in packages):
        yield torch_device()
        yield cascades()
        yield torchvision()
    weights_found = weight_folder(weights)
    yield weights_found
    if not any(finding.state == MISSING for finding in (*packages, weights_found)):
        yield reading_engine(weights)
        if adapter is not None:
            yield adapter_finding(adapter, weights)


def machine() -> Finding:
    """Python and the machine it runs on."""
    where = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        where += f", {size / 2**30:.0f} GB"
    return Finding(OK, f"python {platform.python_version()} on {where}, {sys.executable}")


def package_findings() -> Iterator[Finding]:
    """Needed packages, then those of every extra, held against the versions asked for."""
    from packaging.requirements import Requirement

    held = f"{PACKAGE} {metadata.version(PACKAGE)}"
    wrong = 0
    extras: dict[str, list[Requirement]] = {}
    for line in metadata.requires(PACKAGE) or []:
        requirement = Requirement(line)
        name = extra_of(requirement)
        if name:
            extras.setdefault(name, []).append(requirement)
            continue
        reason = unmet(requirement)
        if reason:
            wrong += 1
            yield Finding(MISSING, reason, install_command([requirement]))
        else:
            held += f", {requirement.name} {metadata.version(requirement.name)}"
    if not wrong:
        yield Finding(OK, held)
    for name, requirements in extras.items():
        absent = {r: reason for r in requirements if r.name != PACKAGE and (reason := unmet(r))}
        if absent:
            reasons = ", ".join(absent.values())
            command = install_command(list(absent), alone=name in WITHOUT_NEEDS)
            yield Finding(NOTE, f"extra {name}: {reasons}", command)
        else:
            yield Finding(OK, f"extra {name}: complete")


def extra_of(requirement: object) -> str:
    """Name of the extra a requirement belongs to, empty for one that is always needed."""
    marker = getattr(requirement, "marker", None)
    for extra in metadata.metadata(PACKAGE).get_all("Provides-Extra") or []:
        if marker is not None and not marker.evaluate() and marker.evaluate({"extra": extra}):
            return extra
    return ""


def unmet(requirement: object) -> str:
    """Why a requirement is not met; empty where it is."""
    name, wanted = getattr(requirement, "name", ""), getattr(requirement, "specifier", None)
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return f"{name} is not installed"
    if wanted is not None and not wanted.contains(found, prereleases=True):
        return f"{name} {found} is installed, {wanted} is needed"
    return ""


def install_command(requirements: list, *, alone: bool = False) -> str:
    """The pip command that installs requirements; ``alone``: without what they need themselves."""
    wanted = " ".join(f"'{r.name}{r.specifier}'" for r in requirements)
    return f"{sys.executable} -m pip install {'--no-deps ' if alone else ''}{wanted}"


def torch_device() -> Finding:
    """Where torch computes."""
    import torch

    if torch.cuda.is_available():
        name = torch.cuda.get_device_name(0)
        return Finding(OK, f"torch {torch.__version__}, CUDA {torch.version.cuda}, {name}")
    threads = torch.get_num_threads()
    return Finding(OK, f"torch {torch.__version__}, on the CPU with {threads} threads")


def cascades() -> Finding:
    """The face detector's proposals come from files that OpenCV brings."""
    import cv2

    from facellm.detection import missing_cascades

    absent = missing_cascades()
    if absent:
        mend = f"{sys.executable} -m pip install 'opencv-python-headless>=4.13,<5'"
        return Finding(MISSING, f"OpenCV {cv2.__version__} brings no {', '.join(absent)}", mend)
    return Finding(OK, f"OpenCV {cv2.__version__} with its face cascades")


def torchvision() -> Finding:
    """A torchvision that does not fit torch breaks transformers; facellm needs none."""
    try:
        found = metadata.version("torchvision")
    except metadata.PackageNotFoundError:
        return Finding(OK, "no torchvision, and none is needed")
    try:
        import torchvision  # type: ignore[import-not-found]  # noqa: F401
    except Exception as error:  # whatever it raises, transformers would meet it too
        mend = f"{sys.executable} -m pip uninstall -y torchvision timm"
        reason = f"torchvision {found} does not fit torch ({error}); nothing here needs it"
        return Finding(MISSING, f"{reason}, open_clip included", mend)
    return Finding(OK, f"torchvision {found}, not needed")


def weight_folder(path: Path | None) -> Finding:
    """The weights: complete, how large, and which ones by their digest."""
    from facellm.checkpoint import NEEDED, SHIPPED, WEIGHTS, weight_digests

    folder = SHIPPED if path is None else path
    absent = [name for name in NEEDED if not (folder / name).is_file()]
    if absent:
        mend = "git checkout -- facellm/weights, or --model FOLDER"
        return Finding(MISSING, f"weights {folder} lack {', '.join(absent)}", mend)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    digest = weight_digests(folder)[WEIGHTS][:16]
    return Finding(OK, f"weights {folder}, {size / 1e6:.1f} MB, sha256 {digest}")


def reading_engine(path: Path | None) -> Finding:
    """What ``facellm read`` takes readings with, and why it is not the fastest engine."""
    from facellm.checkpoint import SHIPPED
    from facellm.engine_file import ENGINE, EngineUnusable
    from facellm.engine_names import AUTO, OPENVINO, TORCH, VARIABLE, usual_engine
    from facellm.openvino_engine import OpenVinoEngine

    name = usual_engine()
    asked = "" if name == AUTO else f", as {VARIABLE} says"
    if name == TORCH:
        return Finding(OK, f"readings by torch{asked}")
    try:
        engine = OpenVinoEngine((SHIPPED if path is None else path) / ENGINE)
    except EngineUnusable as error:
        if name == OPENVINO:
            return Finding(MISSING, f"no readings by openvino{asked}: {error.reason}", error.mend)
        return Finding(NOTE, f"readings by torch, the slower engine: {error.reason}", error.mend)
    return Finding(OK, f"readings by {engine.detail}{asked}")


def adapter_finding(folder: Path, weights: Path | None) -> Finding:
    """Whether an adapter is whole and of these weights, and what it reads."""
    from facellm.adapter_file import check_base
    from facellm.adapter_labels import load_facts
    from facellm.checkpoint import SHIPPED
    from facellm.engine_file import source_digest
    from facellm.errors import FaceLLMError

    base = SHIPPED if weights is None else weights
    try:
        facts = load_facts(folder)
        check_base(folder, str(base), source_digest(base))
    except FaceLLMError as error:
        return Finding(MISSING, str(error), "facellm adapt CSV -o FOLDER, or --model FOLDER")
    read = [f"{label.name} ({len(label.classes)} classes)" for label in facts.added]
    read += [f"{label.name} corrected" for label in facts.corrections]
    told = ", ".join(read) or "nothing: no correction helped"
    return Finding(OK, f"adapter {folder}, sha256 {facts.digest[:16]}, reads {told}")
