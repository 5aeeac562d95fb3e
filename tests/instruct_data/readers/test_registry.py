"""The registry: every reader has a source with terms, options are checked, codes are ours."""

import pytest
from face_trees import text

from facellm.errors import FaceLLMError
from facellm.instruct_data.corpus.config import SourceConfig
from facellm.instruct_data.corpus.plugins import read_source
from facellm.instruct_data.forge.sources import Options, open_sources
from facellm.instruct_data.readers import READERS, open_set
from facellm.labels import EXPRESSIONS
from facellm.readers import emotion_codes
from facellm.readers.sources import SOURCES


def test_every_reader_stands_in_the_table_of_sources_with_terms():
    assert set(READERS) == set(SOURCES)
    assert all(one.title and one.layout and one.labels and one.terms for one in SOURCES.values())


@pytest.mark.parametrize(
    "name", ["FER2013", "AFFECTNET", "RAF_DB", "DFEW", "CREMA_D", "MAFW", "FERV39K", "WORDS"]
)
def test_codes_mean_our_labels_or_nothing(name):
    table = getattr(emotion_codes, name)
    assert set(table.values()) - {None} <= set(EXPRESSIONS)
    assert len(set(table.values()) - {None}) >= 6


def test_an_unknown_reader_names_the_nearest():
    with pytest.raises(FaceLLMError, match="is it 'affectnet'"):
        open_set("afectnet", ".")


def test_an_unknown_option_names_those_there_are(tmp_path):
    text(tmp_path / "list.txt", "a 1 1")
    with pytest.raises(FaceLLMError, match=r"reader raer: .*'agred'.*agreed"):
        open_set("raer", tmp_path / "list.txt", {"agred": True})
    with pytest.raises(FaceLLMError, match=r"plain_csv: missing .*'columns'"):
        open_set("plain_csv", tmp_path)


def test_a_name_that_stands_in_data_imports_nothing(tmp_path):
    """Sources are named by files of a corpus too; the config alone may name a module."""
    with pytest.raises(FaceLLMError, match="no reader 'corpus_toys:read_toys'"):
        open_set("corpus_toys:read_toys", tmp_path)
    source = SourceConfig("corpus_toys:read_toys", "toys", {"rows": 2})
    assert len(list(read_source(source, tmp_path))) == 2


def test_every_way_to_a_set_names_what_is_wrong_with_its_options(tmp_path):
    source = SourceConfig("raer", "list.txt", {"agred": True})
    with pytest.raises(FaceLLMError, match=r"reader raer: .*'agred'.*agreed"):
        read_source(source, tmp_path)
    with pytest.raises(FaceLLMError, match=r"plain_csv: missing .*'columns'"):
        open_sources([f"plain_csv={tmp_path}"], Options())
