"""``--set section.key=value``: over the file, under the same schema, named in what goes wrong."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from facellm.errors import FaceLLMError
from facellm.strict_yaml import read_yaml


@dataclass(frozen=True)
class Inner:
    steps: int = 5
    rate: float = 0.5
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps {self.steps} is less than 1")


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner = field(default_factory=Inner)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text("name: a\ninner:\n  steps: 7\n")
    return path


def read(file: Path, *changes: str) -> Outer:
    return read_yaml(file, Outer, changes)


def test_a_change_stands_over_the_file_and_the_later_over_the_earlier(file):
    found = read(file, "inner.steps=9", "inner.rate=2", "name=b", "inner.steps=11")
    assert found == Outer("b", Inner(steps=11, rate=2.0))


def test_a_section_the_file_lacks_is_made(tmp_path):
    path = tmp_path / "short.yaml"
    path.write_text("name: a\n")
    assert read(path, "inner.names=[x, y]").inner == Inner(names=("x", "y"))


def test_a_rate_with_an_exponent_is_a_number(file):
    """YAML 1.1 takes 1e-4 for a text, since it has no point."""
    assert read(file, "inner.rate=1e-4").inner.rate == 1e-4
    with pytest.raises(FaceLLMError, match="rate is float, not '1e-4'"):
        read(file, "inner.rate='1e-4'")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("inner.step=1", r"^--set inner.step=1: unknown key 'step' of Inner; did you mean 'steps'"),
        ("iner.steps=1", r"^--set iner.steps=1: unknown key 'iner' of Outer; did you mean 'inner'"),
        ("inner.steps=x", r"^--set inner.steps=x: steps is int, not 'x'"),
        ("inner.names=[1]", r"^--set inner.names=\[1\]: an entry of names is str, not 1"),
        ("inner=4", r"^--set inner=4: inner is a mapping, not 4"),
        ("name.first=4", r"^--set name.first=4: what should hold 'first' is no mapping"),
        ("inner.steps", r"^--set inner.steps: not of the form section.key=value"),
        ("=4", r"^--set =4: not of the form section.key=value"),
        ("inner.steps=", r"^--set inner.steps=: the value is empty"),
        ("inner.steps=[1", r"^--set inner.steps=\[1: the value is not YAML"),
        ("inner.steps=0", r"run.yaml:3, --set inner.steps=0: steps 0 is less than 1"),
    ],
)
def test_a_wrong_change_is_named(file, change, message):
    with pytest.raises(FaceLLMError, match=message):
        read(file, change)


def test_what_the_file_has_wrong_is_named_by_its_line(file):
    file.write_text("name: a\ninner:\n  steps: many\n")
    with pytest.raises(FaceLLMError, match=r"run.yaml:3: steps is int, not 'many'"):
        read(file, "inner.rate=1")
