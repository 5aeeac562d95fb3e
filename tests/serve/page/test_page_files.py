"""The page's files by themselves: small, from nowhere else, nothing that could run a stranger's."""

import json
import re
from pathlib import Path

import pytest

from facellm.assistant import LONGEST_QUESTION
from facellm.context import CITED_GEOMETRY
from facellm.labels import AU_LEVELS, EXPRESSIONS, FACS
from facellm.reading import UNIT_SHOWN
from facellm.regions import REGION_SLICES
from facellm.table_columns import DEFAULT, POINTS

PAGE = Path(__file__).parents[3] / "serve" / "page"
FILES = sorted(path for path in PAGE.iterdir() if path.is_file())
SCRIPTS = [path for path in FILES if path.suffix == ".js"]
# What makes text into markup or into code.
DANGEROUS = (
    "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function",
    "createContextualFragment", "DOMParser", "setHTML", "srcdoc", "javascript:", "import(",
)  # fmt: skip


def test_the_folder_holds_web_files_only():
    assert {path.suffix for path in FILES} == {".html", ".css", ".js", ".json"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_is_short(path):
    assert len(path.read_text().splitlines()) <= 300


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_comes_from_another_host(path):
    found = re.findall(r"""(?:https?:)?//[\w.-]+\.[a-z]{2,}[^\s"']*""", path.read_text())
    assert set(found) <= {"http://www.w3.org/2000/svg"}  # a name, never fetched


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_make_no_markup_of_text(path):
    text = path.read_text()
    assert [word for word in DANGEROUS if word in text] == []
    assert not re.search(r"""set(Timeout|Interval)\(\s*["'`]""", text)


def test_the_page_holds_no_script_and_no_style_of_its_own():
    text = (PAGE / "index.html").read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", text)


def test_only_the_theme_is_stored():
    text = "".join(path.read_text() for path in SCRIPTS)
    assert not re.search(r"sessionStorage|indexedDB|document\.cookie|caches\.|serviceWorker", text)
    assert set(re.findall(r"localStorage\.(\w+)\(([^),]*)", text)) == {
        ("getItem", "NAME"),
        ("setItem", "NAME"),
        ("removeItem", "NAME"),
    }


def test_every_name_that_scripts_look_up_is_in_the_page():
    text = "".join(path.read_text() for path in SCRIPTS)
    asked = set(re.findall(r'byId\("([\w-]+)"\)', text))
    there = set(re.findall(r'\sid="([\w-]+)"', (PAGE / "index.html").read_text()))
    assert asked - there == set()


def test_every_module_that_is_imported_is_there():
    for path in SCRIPTS:
        for name in re.findall(r'from "\./([\w.]+)"', path.read_text()):
            assert (PAGE / name).is_file(), f"{path.name}: {name}"


def test_label_sets_are_those_of_the_core():
    """A change of ``facellm.labels`` shows here; ``expected`` then is what belongs in the file."""
    expected = {
        "expressions": list(EXPRESSIONS),
        "units": [
            {"number": u.number, "name": u.name, "phrase": u.phrase, "region": u.region}
            for u in FACS.values()
        ],
        "unit_shown": UNIT_SHOWN,
        "unit_levels": AU_LEVELS - 1,
        "regions": {name: list(bounds) for name, bounds in REGION_SLICES.items()},
        "measures": CITED_GEOMETRY,
        "columns": [name for name in DEFAULT if name not in POINTS],
        "longest_question": LONGEST_QUESTION,
    }
    assert json.loads((PAGE / "labels.json").read_text()) == expected


def test_every_unit_and_measure_has_a_place_and_words():
    regions, words = (PAGE / "regions.js").read_text(), (PAGE / "words.js").read_text()
    for part in {unit.region for unit in FACS.values()}:
        assert re.search(rf"^  {part}: \[", regions, re.M)
    for measure in CITED_GEOMETRY:
        assert f"  {measure}: [" in regions
        assert f"    {measure}: [" in words
    colours = (PAGE / "style.css").read_text()
    assert [name for name in REGION_SLICES if f".part-{name}" not in colours] == []
