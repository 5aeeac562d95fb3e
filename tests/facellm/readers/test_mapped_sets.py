"""Class folders, InFER and plain CSV: what the options say decides."""

import pytest
from face_trees import parted, picture, text

from facellm.errors import FaceLLMError
from facellm.instruct_data.readers import open_set
from facellm.labels import split_of


def test_folders_with_given_splits(tmp_path):
    for place in ("train/Happy", "val/Sad", "test/angry"):
        picture(tmp_path / place / "1.jpg")
    picture(tmp_path / "train/Happy/notes.png")
    (tmp_path / "train/Happy/readme.txt").write_text("x")
    rows, bad = parted(open_set("class_folders", tmp_path, {"source": "mine", "licence": "ours"}))
    assert bad == []
    assert [(row.expression, row.split) for row in rows] == [
        ("anger", "test"),
        ("happiness", "train"),
        ("happiness", "train"),
        ("sadness", "valid"),
    ]
    assert (rows[0].key, rows[0].licence) == ("mine/test/angry/1.jpg", "ours")


def test_folders_without_splits_are_split_by_key(tmp_path):
    for n in range(30):
        picture(tmp_path / "off" / f"{n}.jpg")
        picture(tmp_path / "on" / f"{n}.jpg")
    options = {"source": "m", "field": "mask", "classes": {"on": True, "off": False}}
    rows, _ = parted(open_set("class_folders", tmp_path, options))
    assert sum(row.mask for row in rows) == 30
    assert [row.split for row in rows] == [split_of(row.key) for row in rows]
    assert len({row.split for row in rows}) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "'smirk' is no class"),
        ({"classes": {"smile": "happiness"}}, "'smirk' is no class; known are smile"),
        ({"field": "race"}, "field 'race' is none of"),
        ({"field": "mask", "classes": {"smirk": "yes"}}, "'yes' is not true or false"),
    ],
)
def test_folders_that_are_no_class_are_an_error(tmp_path, options, message):
    picture(tmp_path / "smirk/1.jpg")
    with pytest.raises(FaceLLMError, match=message):
        list(open_set("class_folders", tmp_path, {"source": "m", **options}))


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(FaceLLMError, match="holds no folders"):
        list(open_set("class_folders", tmp_path, {"source": "m"}))


def test_infer_as_folders_and_as_csv(tmp_path):
    picture(tmp_path / "set/Disgust/1.jpg")
    rows, _ = parted(open_set("infer", tmp_path / "set"))
    assert [(row.source, row.expression) for row in rows] == [("infer", "disgust")]
    with pytest.raises(FaceLLMError, match="no option 'clases'"):
        open_set("infer", tmp_path / "set", {"clases": {}})
    picture(tmp_path / "p.jpg")
    file = text(tmp_path / "infer.csv", "file,mood,region", "p.jpg,Fear,north")
    columns = {"path": "file", "expression": "mood", "group": "region"}
    rows, _ = parted(open_set("infer", file, {"columns": columns}))
    assert [(row.source, row.expression, row.group) for row in rows] == [("infer", "fear", "north")]


COLUMNS = {
    "path": "file",
    "split": "part",
    "subject": "who",
    "expression": "mood",
    "age": "years",
    "male": "m",
    "valence": "v",
    "units.12": "au12",
    "attributes.hat": "hat",
}
HEADER = "file,part,who,mood,years,m,v,au12,hat"


def plain(folder, *lines, **options):
    picture(folder / "a.jpg")
    file = text(folder / "t.csv", HEADER, *lines, mark=True, end="\r\n")
    return parted(open_set("plain_csv", file, {"source": "s", "columns": COLUMNS, **options}))


def test_plain_csv_maps_columns(tmp_path):
    ((row,), bad) = plain(tmp_path, "a.jpg,val,7,happy,30,yes,-0.5,0.2,0", "")
    assert bad == []
    assert (row.split, row.subject, row.expression, row.age) == ("valid", "7", "happiness", 30)
    assert (row.male, row.valence, row.units, row.attributes) == (
        True,
        -0.5,
        {12: 0.2},
        {"hat": False},
    )
    assert row.where.endswith("t.csv, line 2")


def test_plain_csv_sentinels_and_groups(tmp_path):
    ((row,), _) = plain(tmp_path, "a.jpg,,7,NULL,-1,,nan,,1", missing=["-1"])
    assert (row.expression, row.age, row.valence, row.units) == (None, None, None, None)
    assert row.attributes == {"hat": True}
    assert row.split == split_of("s/7")  # by person


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("b.jpg,val,7,happy,30,yes,0,0,0", "picture missing"),
        (",val,7,happy,30,yes,0,0,0", "value missing"),
        ("a.jpg,dev,7,happy,30,yes,0,0,0", "label outside the set"),
        ("a.jpg,val,7,smirk,30,yes,0,0,0", "label outside the set"),
        ("a.jpg,val,7,happy,30.5,yes,0,0,0", "value outside its range"),
        ("a.jpg,val,7,happy,30,maybe,0,0,0", "label outside the set"),
        ("a.jpg,val,7,happy,30,yes,0,999,0", "value outside its range"),
        ("a.jpg,val,7,,,,,,", "no label"),
    ],
)
def test_plain_csv_bad_lines(tmp_path, line, reason):
    rows, bad = plain(tmp_path, line)
    assert (rows, [one.reason for one in bad]) == ([], [reason])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": {"age": "years"}}, "'path' names no column"),
        ({"columns": {"path": "file", "race": "who"}}, "field 'race' is none of"),
        ({"columns": {"path": "file", "units.23": "au12"}}, "field 'units.23'"),
        ({"columns": {"path": "fil"}}, "no column 'fil'.*is it 'file'"),
        ({"classes": {"flat": "bored"}}, "'bored', which is none of"),
        ({"clases": {}}, "no option 'clases'"),
    ],
)
def test_plain_csv_options_are_checked(tmp_path, options, message):
    with pytest.raises(FaceLLMError, match=message):
        plain(tmp_path, "a.jpg,val,7,happy,30,yes,0,0,0", **options)


def test_a_file_that_is_not_utf8_is_named(tmp_path):
    file = tmp_path / "t.csv"
    file.write_bytes(HEADER.encode() + b"\n\xff\xfe\n")
    with pytest.raises(FaceLLMError, match=r"t\.csv.*not CSV text"):
        list(open_set("plain_csv", file, {"columns": {"path": "file"}}))


def test_a_tenth_of_training_becomes_validation_where_a_set_has_none(tmp_path):
    for n in range(40):
        picture(tmp_path / "train/Sad" / f"{n}.jpg")
        picture(tmp_path / "test/Sad" / f"{n}.jpg")
    rows, _ = parted(open_set("class_folders", tmp_path, {"source": "m"}))
    test, train = rows[:40], rows[40:]
    assert {row.split for row in test} == {"test"}
    held = [row.key for row in train if split_of(row.key) == "valid"]
    assert [row.key for row in train if row.split == "valid"] == held
    assert 0 < len(held) < 15
    picture(tmp_path / "val/Sad/1.jpg")  # with a given validation, training stays whole
    rows, _ = parted(open_set("class_folders", tmp_path, {"source": "m"}))
    assert [row.split for row in rows].count("train") == 40
