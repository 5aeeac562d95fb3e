"""Links of the pages lead somewhere, and the cookbook's list is its folder."""

import ast
import re
from pathlib import Path

import pytest
from example_commands import PAGES, ROOT

COOKBOOK = ROOT / "docs" / "cookbook"
SCRIPTS = sorted(COOKBOOK.glob("[0-9]*.py"))
_LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
_SCRIPT = re.compile(r"\bpython (docs/\S+\.py)")


def links(page: str) -> list[str]:
    """Targets of relative links."""
    found = _LINK.findall((ROOT / page).read_text(encoding="utf-8"))
    return [target for target in found if "://" not in target]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page):
    folder = (ROOT / page).parent
    assert [target for target in links(page) if not (folder / target).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_scripts_that_a_page_names_exist(page):
    named = _SCRIPT.findall((ROOT / page).read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_the_readme_leads_to_every_part():
    targets = {*links("README.md")}
    assert {"docs/quickstart.md", "docs/columns.md", "docs/cookbook/README.md"} <= targets


def test_the_cookbook_lists_its_ten_scripts():
    listed = [target for target in links("docs/cookbook/README.md") if target.endswith(".py")]
    assert [path.name for path in SCRIPTS] == listed
    assert len(listed) == 10


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_is_short_and_says_what_it_does(path: Path):
    text = path.read_text(encoding="utf-8")
    said = ast.get_docstring(ast.parse(text))
    assert said is not None
    assert f"python docs/cookbook/{path.name}" in said
    assert "Gives:" in said
    assert len(text.splitlines()) <= 66
