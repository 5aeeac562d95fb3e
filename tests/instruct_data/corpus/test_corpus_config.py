"""Configs: what fits becomes values, everything else is an error with file and line."""

import pytest

from facellm.errors import FaceLLMError
from facellm.instruct_data.build_command import new_build_parser
from facellm.instruct_data.corpus.build_parser import CONFIGS, job_of
from facellm.instruct_data.corpus.config import CorpusConfig, PluginConfig, load_config
from facellm.instruct_data.corpus.plugins import ANNOTATORS, new_plugin, read_source
from facellm.instruct_data.corpus.rows import Part

GOOD = """\
name: faces
seed: 4
sources:
  - {reader: ferplus, path: ferplus.parquet, faces: crops, limit: 10}
  - reader: utkface
    path: utk
    splits: [train, test]
    embed: true
annotators: [grammar, {name: "corpus_toys:LabelAnnotator", options: {pause: 0.5}}]
pictures: {least_blur: 3}
dedupe: perceptual
"""


@pytest.fixture
def config(tmp_path):
    """``config(text)`` -> the config of a file with this text."""

    def write(text):
        (tmp_path / "c.yaml").write_text(text)
        return load_config(tmp_path / "c.yaml")

    return write


def test_a_config_becomes_values(config):
    found = config(GOOD)
    assert found.seed == 4
    assert found.sources[0].limit == 10
    assert found.sources[1].splits == ("train", "test")
    assert found.sources[1].embed
    assert found.annotators[0] == PluginConfig("grammar")
    assert found.annotators[1].options == {"pause": 0.5}
    assert found.pictures.least_blur == 3.0
    assert isinstance(found.pictures.least_blur, float)
    assert (found.rating, found.dedupe) == (None, PluginConfig("perceptual"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + "shard_row: 5\n", r"c.yaml:12: unknown key 'shard_row' .* 'shard_rows'"),
        (GOOD.replace("limit", "limti"), r"c.yaml:4: unknown key 'limti' .* 'limit'"),
        (GOOD.replace("seed: 4", "seed: four"), r"c.yaml:2: seed is int, not 'four'"),
        (GOOD.replace("seed: 4", "seed: true"), r"c.yaml:2: seed is int, not True"),
        (GOOD.replace("faces: crops", "faces: crop"), r"c.yaml:4: faces is one of crops, detect"),
        (GOOD.replace("limit: 10", "limit: 0"), r"c.yaml:4: limit 0 is less than 1"),
        (GOOD.replace("name: faces", "name: a/b"), r"c.yaml:1: name 'a/b' has other signs"),
        (GOOD.replace("splits: [train, test]", "splits: train"), r"c.yaml:7: splits is a list"),
        (GOOD.replace("seed: 4", "name: b"), r"c.yaml:2: 'name' stands twice"),
        (GOOD.replace("{reader: ferplus, ", "{"), r"c.yaml:4: an entry of sources has no 'reader'"),
        ("sources: []\nannotators: [grammar]\n", r"c.yaml:1: sources is empty"),
        ("sources: [a\n", r"c.yaml:2: not YAML"),
        ("", "the file is empty"),
    ],
)
def test_what_does_not_fit_is_named_by_file_and_line(config, text, message):
    with pytest.raises(FaceLLMError, match=message):
        config(text)


def test_the_config_that_comes_along_is_one():
    found = load_config(CONFIGS / "local.yaml")
    assert isinstance(found, CorpusConfig)
    assert {source.reader for source in found.sources} >= {"ferplus", "utkface"}
    assert not any(source.embed for source in found.sources)


def test_a_name_of_a_config_that_comes_along_may_stand_for_it(tmp_path):
    args = new_build_parser().parse_args(["local", "-o", "out", "--data", str(tmp_path)])
    assert job_of(args).config == load_config(CONFIGS / "local.yaml")


@pytest.mark.parametrize(
    ("plugin", "message"),
    [
        (PluginConfig("gramar"), "unknown annotator 'gramar'; did you mean 'grammar'"),
        (PluginConfig("no_such_module:Name"), "cannot be imported"),
        (PluginConfig("corpus_toys:Nobody"), "cannot be imported"),
        (PluginConfig("corpus_toys:LabelAnnotator", {"paus": 1}), "its options are: pause"),
    ],
)
def test_who_is_not_there_or_takes_other_options_is_told(plugin, message):
    with pytest.raises(FaceLLMError, match=message):
        new_plugin(ANNOTATORS, plugin, "annotator")


def test_an_unknown_reader_is_told(config, tmp_path):
    source = config(GOOD.replace("ferplus, path", "ferpls, path")).sources[0]
    with pytest.raises(FaceLLMError, match="unknown reader 'ferpls'; did you mean 'ferplus'"):
        next(read_source(source, tmp_path))


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/0", "1-4", "a/b", "/", "-1/4"])
def test_a_malformed_part_is_refused(text):
    with pytest.raises(FaceLLMError, match="shard"):
        Part.parse(text)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_parts_and_workers_share_out_every_shard_once(workers):
    parts = [part for i in (1, 2, 3) for part in Part(i, 3).split(workers)]
    for shard in range(40):
        assert sum(shard in part for part in parts) == 1
    assert {s for s in range(40) if s in Part(2, 3)} == {
        s for s in range(40) for part in Part(2, 3).split(workers) if s in part
    }
