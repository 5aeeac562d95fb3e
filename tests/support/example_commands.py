"""Commands that help texts and documents show, taken out of them so that tests can run them.

Example: ``commands_of_page(text)`` -> ``["facellm read holiday/ -o faces.csv", ...]``; ``split``
takes such a line apart into what feeds standard input and the arguments of ``facellm``.
"""

import re
import shlex
from pathlib import Path

import example_sets

from facellm.cli import USAGE, VERBS, parser_of
from facellm.eval import eval_command
from facellm.instruct_data.build_command import subverb_parser
from facellm.train.train_command import CONSOLIDATE, new_consolidate_parser

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", *sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("docs/**/*.md")))
_SHELL_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
_PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SUBSTITUTION = re.compile(r'"\$\((facellm .*?)\)"')


def examples_of_help(text):
    """Command lines of a help text's last part; remarks begin after two blanks."""
    _, found, part = text.partition("examples:\n")
    assert found, "the help has no examples"
    lines = part.partition("\n\n")[0].splitlines()
    return [re.split(" {2,}", line.strip())[0] for line in lines]


def commands_of_page(text):
    """Lines of the shell blocks of a Markdown page that run ``facellm``."""
    lines = [line for block in _SHELL_BLOCK.findall(text) for line in block.splitlines()]
    return [line for line in lines if runs_facellm(line)]


def python_blocks(text):
    """The Python blocks of a Markdown page."""
    return _PYTHON_BLOCK.findall(text)


def runs_facellm(line):
    """Whether the last command of a line is ours."""
    return bool(re.search(r'(^|\| |"\$\()facellm ', line))


def without_remark(command):
    """``"facellm doctor   # what is missing"`` -> ``"facellm doctor"``."""
    return re.sub(r"\s+#.*", "", command)


def split(command):
    """``"cat a.jpg | facellm ask - > b"`` -> ``("cat a.jpg", ["ask", "-"])``."""
    inner = _SUBSTITUTION.search(command)
    lexer = shlex.shlex(inner[1] if inner else command, posix=True, punctuation_chars="|>")
    lexer.whitespace_split = True
    words = list(lexer)
    feed = ""
    if "|" in words:
        feed = command.rpartition("|")[0].strip()
        words = words[len(words) - words[::-1].index("|") :]
    words = words[: words.index(">")] if ">" in words else words
    assert words[0] == "facellm", command
    return feed, words[1:]


# Sub-verbs of ``facellm build``, in an order in which each finds what those before it have made.
SUBVERBS = ("index", "export", "import", *example_sets.SUBVERBS)


def parser_for(words):
    """``["read", "a.jpg"]`` -> the parser of its verb, and the words that are for it."""
    verb, *rest = words
    if verb == "build" and rest and rest[0] in SUBVERBS:
        return subverb_parser(rest[0]), rest[1:]
    if verb == "eval" and rest and rest[0] in eval_command.SUBVERBS:
        return eval_command.subverb_parser(rest[0]), rest[1:]
    if verb == "train" and rest[:1] == [CONSOLIDATE]:
        return new_consolidate_parser(), rest[1:]
    return parser_of(verb), rest


def all_examples():
    """(where, command) of every command that a help text or a page shows."""
    found = [("facellm --help", command) for command in examples_of_help(USAGE)]
    for verb in VERBS:
        shown = examples_of_help(parser_of(verb).format_help())
        found += [(f"facellm {verb} --help", command) for command in shown]
    for name in SUBVERBS:
        shown = examples_of_help(subverb_parser(name).format_help())
        found += [(f"facellm build {name} --help", command) for command in shown]
    for name in eval_command.SUBVERBS:
        shown = examples_of_help(eval_command.subverb_parser(name).format_help())
        found += [(f"facellm eval {name} --help", command) for command in shown]
    shown = examples_of_help(new_consolidate_parser().format_help())
    found += [(f"facellm train {CONSOLIDATE} --help", command) for command in shown]
    for page in PAGES:
        found += [(page, c) for c in commands_of_page((ROOT / page).read_text("utf-8"))]
    return found
