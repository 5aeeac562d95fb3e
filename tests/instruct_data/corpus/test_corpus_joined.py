"""Fingerprints of all shards as one: the same rows as side by side, on disk and out of the way."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facellm.errors import FaceLLMError
from facellm.instruct_data.corpus.joined import Texts, joined, repeated
from facellm.near_duplicates.fingerprints import Fingerprints, let_go
from facellm.near_duplicates.search import near_pairs

WORDS = st.lists(st.text(st.characters(codec="utf-8"), max_size=5), max_size=20)


def shard(folder, number, count, **changes):
    """Fingerprints of one shard as ``index`` writes them."""
    rng = np.random.default_rng(number)
    arrays = {
        "fingerprints": rng.integers(0, 255, (count, 576), np.uint8),
        "splits": np.array(["train", "test"] * count)[:count],
        "keys": np.array([f"s/{number}/{row}" for row in range(count)], np.str_),
    }
    path = folder / f"fingerprints-{number:05d}.npz"
    np.savez(path, **{**arrays, **changes})
    return path


@given(WORDS, WORDS)
def test_texts_in_one_block_are_those_put_in(first, second):
    texts = Texts()
    texts.extend(first)
    assert len(texts) == len(first)
    texts.extend(second)
    together = first + second
    assert list(texts) == together
    assert texts[1:-1] == together[1:-1]
    if together:
        assert texts[-1] == together[-1]
    with pytest.raises(IndexError):
        texts[len(together)]


@given(st.lists(st.sampled_from("abcdefgh"), max_size=9))
def test_the_first_text_that_stands_twice_is_found(texts):
    twice = [text for row, text in enumerate(texts) if text in texts[:row]]
    assert repeated(texts) == (twice[0] if twice else None)


def test_shards_joined_are_their_rows_in_order_and_no_file_stays(tmp_path):
    files = [shard(tmp_path, 0, 3), shard(tmp_path, 1, 0), shard(tmp_path, 2, 130)]
    parts = [np.load(file) for file in files]
    with joined(files) as everything:
        assert isinstance(everything.prints, np.memmap)
        assert np.array_equal(everything.prints, np.concatenate([p["fingerprints"] for p in parts]))
        assert list(everything.keys) == [str(key) for part in parts for key in part["keys"]]
        assert list(everything.splits) == [str(s) for part in parts for s in part["splits"]]
        assert sorted(tmp_path.iterdir()) == files
    assert sorted(tmp_path.iterdir()) == files


def test_nothing_joined_is_nothing(tmp_path):
    none = np.zeros((0, 0), np.uint64)
    for files in ([], [shard(tmp_path, 0, 0, fingerprints=none)]):
        with joined(files) as everything:
            assert len(everything.keys) == len(everything.prints) == 0


def test_fingerprints_of_two_kinds_are_told_by_their_file(tmp_path):
    files = [shard(tmp_path, 0, 2), shard(tmp_path, 1, 2, fingerprints=np.zeros((2, 4), np.uint8))]
    with pytest.raises(FaceLLMError, match=r"00001.npz: fingerprints are .* 4\)"), joined(files):
        pass


def test_a_search_on_disk_finds_what_one_in_memory_finds(tmp_path):
    with joined([shard(tmp_path, 0, 200), shard(tmp_path, 0, 200)]) as everything:
        thumbs = everything.prints.reshape(-1, 24, 24)
        mapped, held = near_pairs(Fingerprints(thumbs)), near_pairs(Fingerprints(np.array(thumbs)))
    assert len(held) == 200
    for name in ("first", "second", "mirrored", "likeness"):
        assert np.array_equal(getattr(mapped, name), getattr(held, name))


def test_what_was_changed_in_memory_is_not_given_back(tmp_path):
    (tmp_path / "a").write_bytes(bytes(8192))
    private = np.memmap(tmp_path / "a", np.uint8, "c")
    private[:] = 7
    let_go(private)
    assert private.min() == 7


@pytest.mark.skipif(not hasattr(__import__("mmap"), "MADV_DONTNEED"), reason="not on this system")
def test_pages_looked_at_are_given_back(tmp_path):
    def resident():
        with open("/proc/self/smaps", encoding="utf-8") as file:
            lines = iter(file)
            for line in lines:
                if "/prints" in line:
                    return next(int(at.split()[1]) for at in lines if at.startswith("Rss:"))
        raise AssertionError("no such map")

    (tmp_path / "prints").write_bytes(bytes(1 << 22))
    mapped = np.memmap(tmp_path / "prints", np.uint8, "r")
    assert mapped.sum() == 0
    before = resident()
    let_go(mapped)
    assert before >= 4000  # KB
    assert resident() <= before / 10
