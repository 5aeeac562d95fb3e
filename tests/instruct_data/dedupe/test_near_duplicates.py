"""Fingerprints, the search for pairs of them, and which rows of a group go."""

import cv2
import numpy as np
import pytest

from facellm.errors import FaceLLMError
from facellm.instruct_data.dedupe.copies import KINDS
from facellm.instruct_data.dedupe.groups import (
    PRECEDENCE,
    drops_of,
    duplicate_drops,
    duplicate_groups,
)
from facellm.near_duplicates.alignment import likeness
from facellm.near_duplicates.fingerprints import SIDE, Fingerprints, fingerprint
from facellm.near_duplicates.hashing import REACH, WINDOW, HashTables, keys_of, packed
from facellm.near_duplicates.search import Pairs, near_pairs


def picture(seed, size=(96, 96)):
    """Smooth coloured noise: as unlike from seed to seed as photographs are."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (9, 9, 3), np.uint8)
    return cv2.resize(small, size[::-1], interpolation=cv2.INTER_CUBIC)


def pairs_of(*rows):
    first, second = np.array(rows, np.int64).reshape(-1, 2).T
    return Pairs(first, second, np.zeros(len(rows), bool), np.ones(len(rows), np.float32))


# --- fingerprints ---------------------------------------------------------------------------------


def test_a_fingerprint_knows_neither_size_nor_colour_nor_light():
    one = picture(1)
    grey = cv2.cvtColor(one, cv2.COLOR_RGB2GRAY)
    dark = (one * 0.5 + 20).astype(np.uint8)
    for other in (grey, grey[..., None], dark, cv2.resize(one, (240, 180))):
        apart = fingerprint(other).astype(int) - fingerprint(one)
        assert fingerprint(other).shape == (SIDE, SIDE)
        assert np.abs(apart).mean() < 4  # of a standard deviation of 40


def test_a_fingerprint_has_mean_128_and_deviation_40():
    print_ = fingerprint(picture(2))
    assert abs(print_.mean() - 128) < 1.5
    assert abs(print_.std() - 40) < 1.5


@pytest.mark.parametrize("bad", [np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4), np.uint8)])
def test_what_is_no_picture_has_no_fingerprint(bad):
    with pytest.raises(ValueError, match="a picture is"):
        fingerprint(bad)


def test_a_picture_of_floats_is_refused():
    with pytest.raises(ValueError, match="uint8"):
        fingerprint(np.zeros((8, 8), np.float32))


# --- likeness -------------------------------------------------------------------------------------


def test_likeness_is_the_best_correlation_over_windows():
    """Against a plain double loop, for a shift of whole pixels, where the parabola adds little."""
    from facellm.near_duplicates.alignment import detail

    one = fingerprint(picture(3))
    other = np.roll(one, (1, -2), (0, 1))
    ours = detail(one[None])[0][REACH:-REACH, REACH:-REACH].ravel()
    theirs = detail(other[None])[0]
    best = max(
        np.corrcoef(ours, theirs[y : y + WINDOW, x : x + WINDOW].ravel())[0, 1]
        for y in range(2 * REACH + 1)
        for x in range(2 * REACH + 1)
    )
    found = likeness(one[None], other[None])[0]
    assert best - 1e-4 <= found <= min(best + 0.02, 1)


def test_pictures_without_detail_are_like_nothing():
    ramp = np.tile(np.linspace(60, 200, SIDE), (SIDE, 1)).astype(np.uint8)
    flat = fingerprint(np.full((30, 30), 90, np.uint8))
    assert likeness(flat[None], flat[None])[0] == 0
    assert abs(likeness(ramp[None], fingerprint(picture(1))[None])[0]) < 0.5


# --- search ---------------------------------------------------------------------------------------


def test_a_key_holds_the_bits_of_its_table_and_runs_round_the_end():
    hashes = packed(np.eye(64, dtype=bool))  # row i has bit i alone
    assert [int(k) for k in keys_of(hashes, 1, 16)[16:32]] == [1 << i for i in range(16)]
    assert int(keys_of(hashes, 3, 20)[2]) == 1 << 18  # bit 2 is the 19th after bit 48


def test_tables_list_every_row_under_its_key():
    prints = Fingerprints.of(picture(seed) for seed in range(50))
    tables = HashTables.of(prints.thumbs, np.arange(50))
    for number, (order, starts) in enumerate(zip(tables.order, tables.starts, strict=True)):
        assert sorted(order) == list(range(50))
        for row, key in enumerate(keys_of(tables.hashes, number, tables.width)):
            assert row in order[starts[key] : starts[key + 1]]


@pytest.fixture(scope="module")
def with_copies():
    """300 pictures and 40 copies of each kind; the last rows are the copies."""
    rng = np.random.default_rng(0)
    pictures = [picture(seed) for seed in range(300)]
    made = [(row, kind) for kind in KINDS for row in rng.choice(300, 40, replace=False)]
    copies = [KINDS[kind](pictures[row], rng) for row, kind in made]
    return Fingerprints.of(pictures + copies), np.array([row for row, _ in made]), made


def test_copies_of_every_kind_are_found_and_nothing_else_is(with_copies):
    prints, originals, made = with_copies
    pairs = near_pairs(prints)
    groups = duplicate_groups(len(prints), pairs)
    found = groups[300:] == groups[originals]
    for kind in KINDS:
        rows = [place for place, (_, name) in enumerate(made) if name == kind]
        assert found[rows].mean() >= 0.95, kind
    assert found.mean() >= 0.98
    told = np.concatenate([np.arange(300), originals])
    false = told[pairs.first] != told[pairs.second]
    assert false.mean() <= 0.01
    mirrored = np.array([kind == "mirrored" for _, kind in made])
    of_originals = (pairs.first < 300) & (pairs.second >= 300)
    assert np.array_equal(pairs.mirrored[of_originals], mirrored[pairs.second[of_originals] - 300])


def test_the_same_pictures_give_the_same_pairs(with_copies):
    one, other = near_pairs(with_copies[0]), near_pairs(with_copies[0])
    assert np.array_equal(one.first, other.first)
    assert np.array_equal(one.likeness, other.likeness)


def test_a_picture_and_its_copy_alone_are_a_pair():
    one = picture(5)
    pairs = near_pairs(Fingerprints.of([one, KINDS["shifted"](one, np.random.default_rng(1))]))
    assert list(zip(pairs.first, pairs.second, strict=True)) == [(0, 1)]


def test_a_thousand_equal_pictures_cost_a_thousand_pairs():
    prints = Fingerprints(np.repeat(fingerprint(picture(6))[None], 1000, axis=0))
    pairs = near_pairs(prints)
    assert len(pairs) == 999
    assert pairs.compared == 0
    assert len(set(duplicate_groups(1000, pairs))) == 1


@pytest.mark.parametrize("count", [0, 1, 3])
def test_blank_pictures_are_nobodys_duplicates(count):
    blank = np.full((40, 40, 3), 7, np.uint8)
    assert len(near_pairs(Fingerprints.of([blank] * count))) == 0


def test_rows_of_an_overfull_key_are_counted_not_hidden(monkeypatch, with_copies):
    monkeypatch.setattr("facellm.near_duplicates.search.MOST_IN_KEY", 0)
    pairs = near_pairs(with_copies[0])
    assert pairs.skipped > 0
    assert len(pairs) < 40


# --- groups ---------------------------------------------------------------------------------------


def test_a_chain_is_one_group_named_by_its_first_row():
    assert list(duplicate_groups(6, pairs_of((1, 3), (3, 5)))) == [0, 1, 2, 1, 4, 1]


def test_one_of_a_group_stays_test_before_valid_before_train():
    splits = ["train", "valid", "test", "train", "train", "train"]
    drops = drops_of(pairs_of((0, 1), (1, 2), (3, 4)), list("abcdef"), splits)
    assert drops == {
        "a": "near duplicate of c (test)",
        "b": "near duplicate of c (test)",
        "e": "near duplicate of d (train)",
    }


def test_without_within_rows_of_the_best_split_all_stay():
    splits = ["test", "test", "train", "train", "train"]
    pairs = pairs_of((0, 1), (1, 2), (3, 4))
    assert drops_of(pairs, list("abcde"), splits, within=False) == {
        "c": "near duplicate of a (test)"
    }


def test_after_the_drops_no_pair_is_left_between_splits(with_copies):
    prints = with_copies[0]
    splits = [PRECEDENCE[row % 3] for row in range(len(prints))]
    keys = [f"made/{row}" for row in range(len(prints))]
    drops = duplicate_drops(prints, keys, splits)
    assert len(drops) >= 0.98 * 200
    stay = np.array([row for row, key in enumerate(keys) if key not in drops])
    assert len(near_pairs(Fingerprints(prints.thumbs[stay]))) == 0


@pytest.mark.parametrize(
    ("keys", "splits", "said"),
    [
        (["a", "a"], ["train", "test"], "'a' stands 2 times"),
        (["a", "b"], ["train", "dev"], "'dev'"),
        (["a"], ["train", "test"], "2 fingerprints, 1 keys"),
    ],
)
def test_unusable_rows_are_named(keys, splits, said):
    with pytest.raises(FaceLLMError, match=said):
        duplicate_drops(Fingerprints.of([picture(1), picture(2)]), keys, splits)
