"""``docs/columns.md`` says what the code says, and empty cells are found by asking the code."""

import importlib.util
import re
from pathlib import Path

import pytest

from facellm.table_columns import COLUMN_SETS

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def columns():
    """``docs/columns.py`` as a module; no package holds it."""
    spec = importlib.util.spec_from_file_location("columns_page", DOCS / "columns.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_code_says(columns):
    stale = "run `python docs/columns.py` and look at what changed"
    assert (DOCS / "columns.md").read_text(encoding="utf-8") == columns.page(), stale


def test_a_changed_note_makes_the_page_stale(columns, monkeypatch):
    from facellm.table_notes import NOTES, ColumnNote

    monkeypatch.setitem(NOTES, "mask", ColumnNote("something else", "0 to 1"))
    assert (DOCS / "columns.md").read_text(encoding="utf-8") != columns.page()


@pytest.mark.parametrize("kind", COLUMN_SETS)
def test_every_column_has_its_row(columns, kind):
    shown = 0
    for cells in columns.rows(kind):
        count = re.search(r"\((\d+)\)$", cells[0])
        shown += int(count[1]) if count else 1
    assert shown == len(COLUMN_SETS[kind].columns)


def test_empty_is_what_the_row_functions_leave_empty(columns):
    assert columns.empty_when("expression", "default") == "the expression is left open"
    assert columns.empty_when("Yaw", "default") == "the points' quality is under 0.3"
    assert columns.empty_when("happiness", "default") == "never"
    assert columns.empty_when("AU12", "default") == "the unit is not checked, unless `--all-units`"
    assert columns.empty_when("AU45_r", "openface") == "always"
    assert columns.empty_when("tongueOut", "arkit") == "always"


def test_ranges_of_gaze_follow_from_its_bins(columns):
    assert columns.bounds("gaze_yaw", "default") == "-40 to 40"
    assert columns.bounds("gaze_angle_x", "openface") == "-0.698 to 0.698"
    assert columns.bounds("AU12_r", "openface") == "0 to 5"
    assert columns.bounds("Yaw", "default") == ""
