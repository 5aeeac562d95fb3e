"""Shell completion: what a real shell offers at TAB is what the parsers accept."""

import argparse
import shutil
import subprocess
import sys

import pytest
from cli_runs import refused

from facellm.cli import VERBS, help_of_verbs, main, parser_of
from facellm.completion_command import FILES, SHELLS
from facellm.table_columns import COLUMN_SETS

# Plays a press of TAB: the words of the line, completion asked for the last one.
BASH_TAB = """
source "$1"; shift
compopt() { :; }  # bash allows it at a real TAB only
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
spec=$(complete -p facellm) || exit 3
[[ $spec =~ -F\\ ([^ ]+) ]] || exit 4
"${BASH_REMATCH[1]}" facellm "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """``script("bash")`` -> file of what ``facellm completion bash`` prints."""
    folder = tmp_path_factory.mktemp("completion")

    def write(shell):
        path = folder / shell
        done = subprocess.run(
            [sys.executable, "-m", "facellm", "completion", shell], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        path.write_text(done.stdout)
        return path

    return write


@pytest.fixture(scope="module")
def bash_tab(script):
    """``bash_tab("facellm", "re")`` -> what bash offers for the last word."""
    path = script("bash")

    def press(*words, cwd=None):
        done = subprocess.run(
            ["bash", "--norc", "-c", BASH_TAB, "bash", str(path), *words],
            capture_output=True,
            text=True,
            cwd=cwd,
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout.split()

    return press


def own_options(verb):
    return {option for action in parser_of(verb)._actions for option in action.option_strings}


def test_bash_completes_verbs(bash_tab):
    assert bash_tab("facellm", "re") == ["read"]
    assert set(bash_tab("facellm", "")) == set(VERBS)
    assert bash_tab("facellm", "nosuch") == []


def test_bash_completes_options_and_their_choices(bash_tab):
    assert bash_tab("facellm", "read", "--col") == ["--columns"]
    assert set(bash_tab("facellm", "read", "--columns", "")) == set(COLUMN_SETS)
    assert bash_tab("facellm", "read", "--columns", "op") == ["openface"]
    assert set(bash_tab("facellm", "completion", "")) == set(SHELLS)


@pytest.mark.parametrize("verb", VERBS)
def test_bash_offers_the_very_options_of_a_verb(bash_tab, verb):
    assert set(bash_tab("facellm", verb, "-")) == own_options(verb)


def test_bash_completes_files_and_folders(bash_tab, tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"")
    (tmp_path / "photos").mkdir()
    assert set(bash_tab("facellm", "ask", "pho", cwd=tmp_path)) == {"photo.jpg", "photos"}
    assert bash_tab("facellm", "ask", "--model", "pho", cwd=tmp_path) == ["photos"]


@pytest.mark.parametrize("verb", VERBS)
def test_every_positional_argument_is_known_to_name_a_file_or_not(verb):
    places = [a for a in parser_of(verb)._actions if not a.option_strings]
    names = {a.metavar for a in places if a.help != argparse.SUPPRESS}
    assert names <= {*FILES, "QUESTION", "SHELL", "SUBVERB"}


def test_every_verb_has_its_own_parser_and_a_line_of_help():
    described = help_of_verbs()
    assert list(described) == list(VERBS)
    for verb in VERBS:
        parser = parser_of(verb)
        assert isinstance(parser, argparse.ArgumentParser)
        assert parser.prog == f"facellm {verb}"
        assert described[verb]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="optional: no zsh here")
def test_zsh_takes_its_script(script):
    code = (
        f'autoload -U compinit; compinit -D -u; eval "$(<{script("zsh")})"; print $_comps[facellm]'
    )
    done = subprocess.run(["zsh", "-f", "-c", code], capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout == "_shtab_facellm\n"


@pytest.mark.skipif(shutil.which("fish") is None, reason="optional: no fish here")
def test_fish_completes(script):
    def press(line):
        code = f"source {script('fish')}; complete -C '{line}'"
        done = subprocess.run(["fish", "-N", "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return [offer.split("\t")[0] for offer in done.stdout.splitlines()]

    assert press("facellm re") == ["read"]
    assert press("facellm read --col") == ["--columns"]
    assert set(press("facellm read --columns ")) == set(COLUMN_SETS)


def test_no_other_verb_pays_for_completion():
    code = (
        "import sys; from facellm.cli import main; main(['ask', '/no/such/picture.jpg']);"
        "sys.exit('shtab' in sys.modules or 'facellm.completion_command' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_writing_the_script_imports_nothing_heavy():
    code = (
        "import sys; from facellm.cli import main; main(['completion', 'bash']);"
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'pandas')))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_an_unknown_shell_is_refused(capsys):
    assert "invalid choice: 'cmd'" in refused(capsys, "completion", "cmd")
    assert main(["completion", "fish"]) == 0
