"""The five parquet files: made-up ones of their columns, and the real ones where they lie."""

import io
from collections import Counter
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from face_trees import parted
from PIL import Image
from shared_data import DATA, needs

from facellm.errors import FaceLLMError
from facellm.instruct_data.readers import open_set, strict
from facellm.readers.parquet_sets import VOTE_COLUMNS

needs_data = needs("ferplus.parquet")
IMAGE = {"bytes": b"RIFF", "path": None}


def write(path, rows, **options):
    pq.write_table(pa.Table.from_pylist(rows), path, **options)
    return path


def plus_row(number, **changes):
    votes = dict.fromkeys(VOTE_COLUMNS, 0) | {"votes_anger": 10}
    given = {"split": "train", "fer2013_row": number, "duplicate_of_eval": False}
    return {"image": IMAGE, **votes, **given, **changes}


def test_ferplus_keeps_row_numbers_over_batches(tmp_path):
    rows = [plus_row(n) for n in range(300)]
    rows[200] = plus_row(200, duplicate_of_eval=True)
    rows[201] = plus_row(201, image=None)
    rows[202] = plus_row(202, split="dev")
    file = write(tmp_path / "ferplus.parquet", rows, row_group_size=100)
    good, bad = parted(open_set("ferplus", file))
    assert len(good) == 297
    assert good[-1].where == f"{file}, row 299"
    assert [(one.reason, one.where[-7:]) for one in bad] == [
        ("also in an evaluation split", "row 200"),
        ("picture missing", "row 201"),
        ("label outside the set", "row 202"),
    ]
    with pytest.raises(FaceLLMError, match="row 201: picture missing"):
        list(strict(open_set("ferplus", file)))


def test_utkface_rejects_what_is_no_age_or_gender(tmp_path):
    row = {"image": IMAGE, "age": 30, "gender": "male", "group": "white", "split": "test"}
    rows = [row, row | {"age": 130}, row | {"age": None}, row | {"gender": "m"}]
    good, bad = parted(open_set("utkface", write(tmp_path / "u.parquet", rows)))
    assert [(one.age, one.male, one.group, one.split) for one in good] == [
        (30, True, "white", "test")
    ]
    assert [one.reason for one in bad] == [
        "value outside its range",
        "value missing",
        "label outside the set",
    ]


def test_the_other_three(tmp_path):
    file = write(tmp_path / "r.parquet", [{"image": IMAGE, "fake": True, "group": "g"}])
    assert next(open_set("real_vs_stylegan2", file)).fake is True
    file = write(tmp_path / "m.parquet", [{"image": IMAGE, "label": "without_mask"}])
    assert next(open_set("face_mask", file)).mask is False
    points = [float(n) for n in range(136)]
    row = {"image": IMAGE, "landmarks_68_xy": points, "subject": 3, "split": "train"}
    short = row | {"landmarks_68_xy": points[:10]}
    (one,), (bad,) = parted(open_set("ytf_landmarks", write(tmp_path / "y.parquet", [row, short])))
    assert one.landmarks[67].tolist() == [134, 135]
    assert bad.detail == "10 coordinates instead of 136"


def test_structural_errors(tmp_path):
    with pytest.raises(FaceLLMError, match=r"x\.parquet: no such file"):
        list(open_set("face_mask", tmp_path / "x.parquet"))
    (tmp_path / "x.parquet").write_bytes(b"not one")
    with pytest.raises(FaceLLMError, match="not a readable parquet file"):
        list(open_set("face_mask", tmp_path / "x.parquet"))
    file = write(tmp_path / "y.parquet", [{"image": IMAGE, "labels": "with_mask"}])
    with pytest.raises(FaceLLMError, match=r"no column 'label'.*is it 'labels'"):
        list(open_set("face_mask", file))


REJECTED = {  # of ../shared/data
    "ferplus": Counter({"also in an evaluation split": 744}),
    "utkface": Counter(),
    "real_vs_stylegan2": Counter(),
    "face_mask": Counter(),
    "ytf_landmarks": Counter(),
}


@needs_data
@pytest.mark.parametrize("name", REJECTED)
def test_the_real_files(name):
    total = pq.ParquetFile(DATA / f"{name}.parquet").metadata.num_rows
    splits, reasons = Counter(), Counter()
    for row in open_set(name, DATA / f"{name}.parquet"):
        if hasattr(row, "reason"):
            reasons[row.reason] += 1
            continue
        splits[row.split] += 1
        assert row.picture
        assert row.licence
        assert row.where
    assert splits.total() + reasons.total() == total
    assert reasons == REJECTED[name]
    assert min(splits.values()) > 0.05 * total
    assert set(splits) == {"train", "valid", "test"}


@needs_data
def test_csv_and_parquet_give_the_same_rows_of_ferplus(tmp_path):
    """The original layout, written from the parquet file, reads back to the same keys and votes."""
    rows = list(islice(strict(open_set("ferplus", DATA / "ferplus.parquet")), 20))
    usage = {"train": "Training", "valid": "PublicTest", "test": "PrivateTest"}
    header = ["Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt"]
    header[0] += ",unknown,NF"
    pixels = []
    for row in rows:
        with Image.open(io.BytesIO(row.picture)) as image:
            levels = np.asarray(image.convert("L")).ravel().tolist()
        pixels.append(f"0,{' '.join(map(str, levels))},{usage[row.split]}")
        header.append(f"{usage[row.split]},f.png,{','.join(map(str, row.votes))}")
    (tmp_path / "fer2013.csv").write_text("\n".join(["emotion,pixels,Usage", *pixels]))
    (tmp_path / "fer2013new.csv").write_text("\n".join(header))
    again = list(strict(open_set("ferplus", tmp_path)))
    assert [row.votes for row in again] == [row.votes for row in rows]
    assert [row.split for row in again] == [row.split for row in rows]
    for old, new in zip(rows, again, strict=True):
        with Image.open(io.BytesIO(old.picture)) as a, Image.open(io.BytesIO(new.picture)) as b:
            assert np.array_equal(np.asarray(a.convert("L")), np.asarray(b))
