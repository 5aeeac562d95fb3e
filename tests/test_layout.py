"""The floor plan, checked: who may import whom, who may print, and how long things may grow."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CORE = "facellm"
LEAVES = ("instruct_data", "train", "serve", "eval")
LONGEST_FILE, LONGEST_FUNCTION, MOST_PARAMETERS = 300, 60, 5  # lines, lines, parameters
MAY_PRINT = ("cli.py", "_command.py")  # how the names of commands end


def sources(*folders: str) -> list[Path]:
    """Python files of folders of the repository."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Absolute names that a file imports; relative ones are resolved to ``facellm.<leaf>...``."""
    place = path.relative_to(ROOT).with_suffix("").parts
    package = place[:-1] if place[0] == CORE else (CORE, *place[:-1])
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            name = ".".join((*base, *([node.module] if node.module else [])))
            # `from facellm import train` names a leaf too.
            yield from ((node.lineno, f"{name}.{alias.name}") for alias in node.names)


def test_the_top_level_holds_the_floor_plan_and_documents():
    """Folders that tools make are left out: those git ignores, and those with a leading dot."""
    made = {"build", "dist", "cookbook-output", "shared", "__pycache__"}
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "."}
    folders = {name for name in folders - made if not name.endswith(".egg-info")}
    assert folders == {CORE, *LEAVES, "tests", "docs"}
    assert list(ROOT.glob("*.py")) == []


def where(path: Path, line: int, what: str) -> str:
    return f"{path.relative_to(ROOT)}:{line} {what}"


def leaf_of(name: str) -> str | None:
    """The leaf an absolute name lies in."""
    parts = name.split(".")
    return parts[1] if parts[0] == CORE and len(parts) > 1 and parts[1] in LEAVES else None


def test_the_core_imports_no_leaf():
    assert [
        where(path, line, name)
        for path in sources(CORE)
        for line, name in imports(path)
        if leaf_of(name)
    ] == []


@pytest.mark.parametrize("leaf", LEAVES)
def test_no_leaf_imports_another(leaf):
    assert [
        where(path, line, name)
        for path in sources(leaf)
        for line, name in imports(path)
        if leaf_of(name) not in (None, leaf)
    ] == []


def test_leaves_are_imported_by_their_one_name():
    """``import train.x`` would load a file a second time, and give two of every class."""
    found = [
        where(path, line, name)
        for path in [*sources(CORE, *LEAVES, "tests")]
        for line, name in imports(path)
        if name.split(".")[0] in LEAVES
    ]
    assert found == []


def test_siblings_in_a_leaf_are_imported_relatively():
    found = []
    for leaf in LEAVES:
        for path in sources(leaf):
            for node in ast.walk(tree(path)):
                name = node.module if isinstance(node, ast.ImportFrom) and not node.level else None
                if (name or "").startswith(f"{CORE}.{leaf}"):
                    found.append(where(path, node.lineno, str(name)))
    assert found == []


def test_model_and_processor_do_not_know_each_other():
    for file, other in (("model.py", "processor"), ("processor.py", "model")):
        names = [name for _, name in imports(ROOT / CORE / file)]
        assert not [name for name in names if name.startswith(f"{CORE}.{other}.")]


def test_the_core_has_no_circle():
    """Imports of the core's modules form a tree of floors; those for type checking do not count."""
    paths = {
        ".".join(path.relative_to(ROOT / CORE).with_suffix("").parts): path
        for path in sources(CORE)
    }
    uses: dict[str, set[str]] = {}
    for module, path in paths.items():
        body = ast.Module([n for n in tree(path).body if not is_type_checking(n)], [])
        names = [name.split(".") for node in ast.walk(body) for name in names_of(node)]
        uses[module] = {
            inner if (inner := ".".join(parts[1:3])) in paths else parts[1]
            for parts in names
            if parts[0] == CORE and len(parts) > 1
        }
    order: list[str] = []
    while uses:
        free = sorted(name for name, wants in uses.items() if not wants & set(uses) - {name})
        assert free, f"these import each other: {sorted(uses)}"
        order += free
        for name in free:
            del uses[name]


def is_type_checking(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def names_of(node: ast.AST) -> list[str]:
    """What an import node imports from this package, as ``facellm.<module>...``."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and not node.level:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def test_the_core_prints_in_commands_only():
    assert [
        where(path, node.lineno, "print")
        for path in sources(CORE)
        if not path.name.endswith(MAY_PRINT)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Name) and node.id == "print"
    ] == []


def test_no_file_is_longer_than_it_may_be():
    lengths = {path: len(path.read_text().splitlines()) for path in sources(CORE, *LEAVES)}
    assert [
        f"{path.relative_to(ROOT)}: {length} lines"
        for path, length in lengths.items()
        if length > LONGEST_FILE
    ] == []


def functions() -> Iterator[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for path in sources(CORE, *LEAVES):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield path, node


def test_no_function_is_longer_than_it_may_be():
    assert [
        where(path, node.lineno, f"{node.name}: {length} lines")
        for path, node in functions()
        if (length := (node.end_lineno or node.lineno) - node.lineno + 1) > LONGEST_FUNCTION
    ] == []


def test_no_function_takes_more_than_five_parameters():
    """Constructors of sizes and the forward pass that ``transformers`` prescribes are left out."""
    exempt = {"__init__", "forward", "prepare_inputs_for_generation"}
    found = []
    for path, node in functions():
        names = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        names = [name for name in names if name not in {"self", "cls"}]
        if len(names) > MOST_PARAMETERS and node.name not in exempt:
            found.append(where(path, node.lineno, f"{node.name}: {len(names)} parameters"))
    assert found == []


def test_no_file_is_loaded_twice():
    ours = [ROOT / folder for folder in (CORE, *LEAVES)]
    loaded: dict[str, list[str]] = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and any(Path(file).is_relative_to(folder) for folder in ours):
            loaded.setdefault(file, []).append(name)
    assert [names for names in loaded.values() if len(set(names)) > 1] == []


def test_every_folder_of_a_leaf_is_packaged():
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    found = set()
    for folder in (CORE, *LEAVES):
        for file in (ROOT / folder).rglob("__init__.py"):
            parts = file.parent.relative_to(ROOT).parts
            found.add(".".join(parts if parts[0] == CORE else (CORE, *parts)))
    assert set(config["packages"]) == found


def test_makefile_and_package_pin_the_same_torch():
    pinned = re.search(r"^TORCH = (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert pinned is not None
    assert pinned[1] in project["dependencies"]


def test_tests_hold_no_packages():
    """With ``--import-mode=importlib`` an ``__init__.py`` makes two files of one name clash."""
    assert list((ROOT / "tests").rglob("__init__.py")) == []
