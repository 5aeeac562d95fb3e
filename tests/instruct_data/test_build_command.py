"""``facellm build``: from a config to a corpus and on, and what is said where it cannot."""

import argparse
import json

import pytest
from cli_runs import refused
from corpus_toys import files_of

from facellm.cli import main
from facellm.instruct_data.build_command import DESCRIPTION, SUBVERBS
from facellm.instruct_data.corpus.build_parser import job_of

CONFIG = """\
name: toys
shard_rows: 8
sources: [{reader: "corpus_toys:read_toys", path: toys, faces: none, options: {rows: 20}}]
annotators: ["corpus_toys:LabelAnnotator"]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a config, and the working folder."""
    (tmp_path / "toys.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACELLM_DATA", str(tmp_path))
    return tmp_path


def test_a_corpus_goes_out_and_comes_in_again(folder, capsys):
    assert main(["build", "toys.yaml", "-o", "corpus"]) == 0
    assert capsys.readouterr().err.splitlines()[-1] == ("20 rows, 36 records, 54 questions: corpus")
    before = json.loads((folder / "corpus" / "counts.json").read_text())
    for form in ("llava", "trl", "llamafactory"):
        assert main(["build", "export", "corpus", "--format", form, "-o", form]) == 0
        assert main(["build", "import", form, "--format", form, "-o", f"{form}-again"]) == 0
        after = json.loads((folder / f"{form}-again" / "counts.json").read_text())
        for name in ("records", "turns", "splits", "tasks", "distinct_questions"):
            if name == "splits":  # each record is a row of its own there
                assert {k: v["turns"] for k, v in after[name].items()} == {
                    k: v["turns"] for k, v in before[name].items()
                }
            else:
                assert after[name] == before[name]
    capsys.readouterr()


def test_parts_say_when_others_are_missing(folder, capsys):
    assert main(["build", "toys.yaml", "-o", "corpus", "--shard", "1/2"]) == 0
    assert "part 1/2 is done, others are not yet: corpus" in capsys.readouterr().err
    assert not (folder / "corpus" / "counts.json").exists()
    assert main(["build", "toys.yaml", "-o", "corpus", "--shard", "2/2", "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    assert main(["build", "toys.yaml", "-o", "whole", "--quiet"]) == 0
    assert files_of("corpus") == files_of("whole")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.yaml", "-o", "c"], "nowhere.yaml: cannot be read"),
        (["toys.yaml"], "required: -o/--out"),
        (["toys.yaml", "-o", "c", "--shard", "3/2"], "i/n goes from 1/n to n/n"),
        (["toys.yaml", "-o", "c", "--shard", "half"], "not of the form i/n"),
        (["toys.yaml", "-o", "c", "--workers", "0"], "--workers 0 is less than 1"),
        (["toys.yaml", "-o", "c", "--data", "gone"], "gone: no such folder of data"),
        (["toys.yaml", "-o", "toys.yaml"], "is a file, not a folder"),
        (["export", "gone", "--format", "trl", "-o", "c"], "no finished corpus here"),
        (["export", "gone", "--format", "csv", "-o", "c"], "invalid choice: 'csv'"),
        (["import", "gone", "--format", "llava", "-o", "c"], "no .json file here"),
        (["index", "toys.yaml", "-o", "c"], "the config has no 'dedupe'"),
    ],
)
def test_what_cannot_be_done_is_told(folder, capsys, arguments, message):
    assert message in refused(capsys, "build", *arguments)


def test_a_set_without_rows_and_a_column_that_is_missing_are_told(folder, capsys):
    (folder / "toys.yaml").write_text(CONFIG.replace("rows: 20", "rows: 0"))
    assert "hold no rows" in refused(capsys, "build", "toys.yaml", "-o", "c")
    import pandas

    pandas.DataFrame({"image": [{"bytes": b"", "path": ""}]}).to_parquet(folder / "utk.parquet")
    (folder / "toys.yaml").write_text(
        "sources: [{reader: utkface, path: utk.parquet}]\nannotators: "
        '["corpus_toys:LabelAnnotator"]\n'
    )
    assert "no column 'age'" in refused(capsys, "build", "toys.yaml", "-o", "d")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("corpus_toys:read_toys", "plain_csw"), "unknown reader 'plain_csw'"),
        (("LabelAnnotator", "NoAnnotator"), "cannot be imported"),
        (("corpus_toys:read_toys", "class_folders"), "toys: no such file or folder"),
        (("options: {rows: 20}", "options: {rowz: 20}"), "rowz"),
    ],
)
def test_a_wrong_name_in_a_config_is_told_before_a_folder_is_made(folder, capsys, change, message):
    text = CONFIG.replace(*change)
    text = text.replace(", options: {rows: 20}", "") if "class_folders" in text else text
    (folder / "toys.yaml").write_text(text)
    assert message in refused(capsys, "build", "toys.yaml", "-o", "corpus")
    assert not (folder / "corpus").exists()


def test_paths_of_a_config_start_from_its_own_folder(folder, monkeypatch):
    sets = folder / "sets"
    (sets / "faces" / "happiness").mkdir(parents=True)
    monkeypatch.delenv("FACELLM_DATA")
    (sets / "mine.yaml").write_text(
        "sources: [{reader: class_folders, path: faces, faces: none}]\n"
        'annotators: ["corpus_toys:LabelAnnotator"]\n'
    )
    args = argparse.Namespace(
        config=str(sets / "mine.yaml"), data=None, shard="1/1", workers=1, out=folder / "out"
    )
    assert job_of(args).data == sets


def test_the_help_names_every_sub_verb():
    for name in SUBVERBS:
        assert f"facellm build {name} " in DESCRIPTION
