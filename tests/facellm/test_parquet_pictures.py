"""Pictures in Parquet files: every key a reader writes leads back to its picture."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facellm.errors import FaceLLMError
from facellm.parquet_pictures import KeptGroups, ParquetPictures, RowGroups, split_reference
from facellm.readers.parquet_sets import (
    VOTE_COLUMNS,
    read_face_mask,
    read_ferplus,
    read_real_vs_stylegan2,
)

ROWS = 10


def write_set(path, **columns):
    images = [{"bytes": bytes([number]) * 9, "path": f"{number}.png"} for number in range(ROWS)]
    pq.write_table(pa.table({"image": images, **columns}), path, row_group_size=4)
    return path


SETS = {
    "ferplus": (
        read_ferplus,
        {
            "split": ["train"] * ROWS,
            "fer2013_row": list(range(100, 100 + 7 * ROWS, 7)),
            "duplicate_of_eval": [False] * ROWS,
            **{name: [1] * ROWS for name in VOTE_COLUMNS},
        },
    ),
    "face_mask": (read_face_mask, {"label": ["with_mask"] * ROWS}),
    "real_vs_stylegan2": (
        read_real_vs_stylegan2,
        {"fake": [True] * ROWS, "group": [f"images/{n}.jpg" for n in range(ROWS)]},
    ),
}


@pytest.mark.parametrize("name", SETS)
def test_a_readers_key_leads_to_its_picture(tmp_path, name):
    read, columns = SETS[name]
    path = write_set(tmp_path / f"{name}.parquet", **columns)
    pictures, rows = ParquetPictures(path), list(read(path))
    assert len(rows) == ROWS
    for row in reversed(rows):
        assert pictures.encoded(row.key) == row.picture


def test_a_reference_is_cut_at_its_file():
    assert split_reference("a/b.parquet#fer2013/12") == ("a/b.parquet", "fer2013/12")
    assert split_reference("/x/b.parquet#s/images/5.jpg") == ("/x/b.parquet", "s/images/5.jpg")
    assert split_reference("a/clip.mp4#t=3.2") is None
    assert split_reference("a/b.parquet") is None


def test_only_the_row_groups_used_last_are_kept(tmp_path):
    groups = RowGroups(write_set(tmp_path / "a.parquet"), "image.bytes")
    reads = []
    original = groups._read
    groups._read = lambda group: reads.append(group) or original(group)
    assert groups.value(9)["bytes"] == bytes([9]) * 9
    assert [groups.value(row)["bytes"][0] for row in (0, 1, 3)] == [0, 1, 3]
    assert reads == [2, 0]
    kept = KeptGroups(most=100)
    big = [pa.chunked_array([np.zeros(10)]) for _ in range(3)]
    for number, column in enumerate(big):
        assert kept.get(("f", "c", number), lambda column=column: column) is column
    assert kept.get(("f", "c", 2), lambda: None) is big[2]
    assert kept.get(("f", "c", 1), lambda: big[0]) is big[0]  # had been let go


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("set/10", "set/10: is no row number from 0 to 9"),
        ("set/x", "set/x: is no row number"),
        ("fer2013/5", "column fer2013_row cannot be read"),
    ],
)
def test_a_key_that_leads_nowhere_is_named(tmp_path, key, said):
    with pytest.raises(FaceLLMError, match=said):
        ParquetPictures(write_set(tmp_path / "a.parquet")).encoded(key)


def test_a_key_no_row_has_is_named(tmp_path):
    path = write_set(tmp_path / "a.parquet", group=[str(n) for n in range(ROWS)])
    with pytest.raises(FaceLLMError, match="no row has 'z' in column group"):
        ParquetPictures(path).encoded("real_vs_stylegan2/z")


def test_a_file_that_holds_no_pictures_is_named(tmp_path):
    pq.write_table(pa.table({"label": [1]}), tmp_path / "a.parquet")
    with pytest.raises(FaceLLMError, match=r"a.parquet: has no column image.bytes, it has label"):
        ParquetPictures(tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_text("no")
    with pytest.raises(FaceLLMError, match=r"b.parquet: not a readable parquet file"):
        ParquetPictures(tmp_path / "b.parquet")
