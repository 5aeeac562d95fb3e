"""The wheel holds everything: it answers in an environment that never saw the repository.

The heavy packages are borrowed from the running environment by a ``.pth`` file; the package itself
must come out of the wheel. A full installation from an index is what ``make test`` starts with.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
WEIGHTS = ROOT / "facellm" / "weights"
QUESTION = "What expression does this face show?"

pytestmark = [pytest.mark.install, pytest.mark.slow]
needs_weights = pytest.mark.skipif(
    not (WEIGHTS / "config.json").is_file(), reason="optional: the default model is not trained yet"
)


def run(*command, **options):
    """Run to the end and give stdout; the test fails with stderr in its message."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=600, **options
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy without leftovers of earlier builds."""
    work = tmp_path_factory.mktemp("wheel")
    source = work / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("facellm", "instruct_data", "train", "serve", "eval"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "wheel", "-q", "--no-deps", "-w", work / "dist", source)
    return next((work / "dist").glob("facellm-*.whl"))


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """A fresh virtual environment with the wheel; returns its folder of commands."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    purelib = Path(
        sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
    )
    # The wheel comes first on the path, so that an editable installation next door is not seen:
    # of the borrowed folder only the packages count, its own .pth files are not run.
    (purelib / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "--python", folder, "install", "-q", "--no-deps", "--no-index", wheel)
    return folder / ("Scripts" if os.name == "nt" else "bin")


def test_the_wheel_holds_code_template_and_tables(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for name in (
        "facellm/cli.py",
        "facellm/py.typed",
        "facellm/chat_template.jinja",
        "facellm/instruct_data/questions.json",
        "facellm/train/configs/default-base.yaml",
        "facellm/serve/__init__.py",
        "facellm/serve/page/index.html",
        "facellm/serve/policy/rules/en.json",
        "facellm/eval/held_out_questions.json",
        "facellm/eval/earlier_questions.json",
    ):
        assert name in names
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"facellm"}  # nothing generic such as `train` lands in site-packages
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_every_source_file_is_in_the_wheel(wheel):
    held = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("facellm", "instruct_data", "train", "serve", "eval"):
        prefix = "" if folder == "facellm" else "facellm/"
        for path in (ROOT / folder).rglob("*.py"):
            assert prefix + path.relative_to(ROOT).as_posix() in held


def test_the_installed_command_comes_from_the_wheel(environment, tmp_path):
    code = "import facellm, facellm.train; print(facellm.__file__); print(facellm.train.__file__)"
    places = run(environment / "python", "-c", code, cwd=tmp_path).split()
    assert all(Path(place).is_relative_to(environment.parent) for place in places)
    assert "facellm 0." in run(environment / "facellm", "--version", cwd=tmp_path)


def test_every_file_of_the_page_and_of_the_rules_is_in_the_wheel(wheel):
    held = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("serve/page", "serve/policy/rules"):
        names = {f"facellm/{folder}/{path.name}" for path in (ROOT / folder).glob("*.*")}
        assert len(names) > 10
        assert names <= held


@needs_weights
def test_the_wheel_holds_the_weights(wheel):
    held = {
        info.filename: info.file_size
        for info in zipfile.ZipFile(wheel).infolist()
        if info.filename.startswith("facellm/weights/")
    }
    expected = {
        f"facellm/weights/{path.relative_to(WEIGHTS).as_posix()}": path.stat().st_size
        for path in WEIGHTS.rglob("*")
        if path.is_file()
    }
    assert held == expected
    assert sum(held.values()) <= 48e6


@needs_weights
def test_the_installed_command_answers_outside_the_repository(environment, photo, tmp_path):
    out = run(environment / "facellm", "ask", photo, "--json", QUESTION, cwd=tmp_path)
    found = json.loads(out)
    assert found["usage"]["faces"] == 1
    assert found["intent"] == "expression"
    assert found["answer"].endswith(".")
