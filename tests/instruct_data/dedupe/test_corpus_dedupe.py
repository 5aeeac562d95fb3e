"""The corpus builder's door to the search, the bench, and the search on real faces."""

import numpy as np
import pytest
from shared_data import DATA, needs
from skimage.data import astronaut

from facellm.errors import FaceLLMError
from facellm.instruct_data.dedupe.bench import dedupe_speed
from facellm.instruct_data.dedupe.copies import mirrored
from facellm.instruct_data.dedupe.corpus_dedupe import PerceptualDedupe
from facellm.instruct_data.dedupe.measure import copy_figures, listed_figures, load
from facellm.near_duplicates.search import near_pairs

TABLE = DATA / "ferplus.parquet"


def test_a_training_row_that_mirrors_a_test_row_goes_and_says_why():
    photo, dedupe = astronaut(), PerceptualDedupe()
    pictures = [mirrored(photo, np.random.default_rng(0)), photo, photo[:200, :300]]
    prints = np.stack([dedupe.fingerprint(picture) for picture in pictures])
    drops = dedupe.duplicate_drops(prints, ["train", "test", "train"], ["x/0", "y/1", "x/2"])
    assert drops == {"x/0": "near duplicate of y/1 (test)"}


@pytest.mark.parametrize("likeness", [0, 1.5])
def test_a_likeness_out_of_bounds_is_refused(likeness):
    with pytest.raises(FaceLLMError, match=r"\(0, 1\]"):
        PerceptualDedupe(likeness=likeness)


def test_fingerprints_of_another_kind_are_refused():
    with pytest.raises(FaceLLMError, match="another deduper"):
        PerceptualDedupe().duplicate_drops(np.zeros((1, 4), np.uint8), ["test"], ["a/1"])


def test_the_bench_finds_its_own_copies():
    speed = dedupe_speed(300, runs=1)
    assert speed.found == 1
    assert speed.pairs_per_second == pytest.approx(speed.rows_per_second * 299 / 2)


@needs("ferplus.parquet")
def test_on_real_faces_copies_are_found_and_strangers_are_not():
    """The first 250 rows of three sets and 67 copies of each."""
    sources = load(DATA, 250, 67)
    pairs = near_pairs(sources.prints)
    copies = copy_figures(sources, pairs)
    assert copies["found"]["share"] >= 0.98
    assert copies["false_pairs"] <= 0.01 * copies["pairs"]
    listed = listed_figures(TABLE, sources, pairs)
    assert listed["listed_pairs_joined"]["share"] in (None, 1)
