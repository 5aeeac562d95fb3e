"""A user's table: what is wrong in it is named by file, line, value and bound."""

import pytest
from adapt_toys import write_table

from facellm.errors import FaceLLMError
from facellm.face import BoundingBox, Face
from facellm.train.adaptation.faces import choose_face, groups_of, part_of
from facellm.train.adaptation.refused import refusal
from facellm.train.adaptation.table import FaceLine, query_of, read_table


def table_of(tmp_path, rows, wanted=()):
    return read_table(write_table(tmp_path / "my.csv", rows), wanted)


def two_classes(**more):
    return [{"image": f"{n}.png", "hat": ("yes", "no")[n % 2], **more} for n in range(4)]


def test_columns_of_ours_are_corrections_and_others_new_labels(tmp_path):
    rows = [{**row, "age": "30", "AU12": "0.4", "subject": "s"} for row in two_classes()]
    table = table_of(tmp_path, rows)
    assert table.corrected == ["age", "AU12"]
    assert table.classes == {"hat": ("no", "yes")}
    assert table.target("hat", "yes").tolist() == [0, 1]
    assert table.target("AU12", "0.4").argmax() == 3
    assert table.target("age", "30").argmax() == 30
    assert [line.line for line in table.lines] == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("column", "query"), [("AU04", "au4"), ("generated", "fake"), ("AU99", ""), ("AUx", "")]
)
def test_a_column_is_known_by_its_name(column, query):
    assert query_of(column) == query


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"expression": "bored"}, "expression 'bored' is none of neutral"),
        ({"age": "130"}, "label age '130' is not in [0, 116]"),
        ({"age": "old"}, "label age 'old' is no number"),
        ({"AU12": "3"}, "is not in [0, 1]"),
        ({"gender": "x"}, "gender 'x' is none of female, male"),
        ({"mask": "maybe"}, "mask 'maybe' is none of"),
        ({"face": "0"}, "face '0' is no number from 1 on"),
        ({"box": "1 2 3"}, "box '1 2 3' is not left top right bottom"),
        ({"box": "a b c d"}, "could not convert"),
        ({"split": "later"}, "split 'later' is none of train"),
        ({"image": ""}, "no image"),
        ({"hat": ""}, "no label column has a value"),
    ],
)
def test_a_bad_line_is_left_out_by_its_number_and_the_others_stay(tmp_path, cells, said):
    rows = two_classes(**dict.fromkeys(cells, "")) if "hat" not in cells else two_classes()
    rows = [{**row, "image": row["image"] or f"{n}.png"} for n, row in enumerate(rows)]
    rows[0] |= cells
    for row in rows[1:]:
        row["image"] = "a.png"
    table = table_of(tmp_path, rows)
    ((where, reason),) = table.problems
    assert where == "my.csv line 2"
    assert said in reason
    assert len(table.lines) == 3


@pytest.mark.parametrize(
    ("heading", "said"),
    [
        ("image,hat,hat", "line 1: column 'hat' stands there twice"),
        ("picture,hat", "no column 'image' among picture, hat"),
        ("image,split", "0 label columns, must be 1 to 16"),
        ("", "no column 'image' among none"),
        ("image,ethnicity", "'ethnicity' reads as race, ethnicity or origin"),
        ("image,<b>", "label '<b>' must be at most 40 letters"),
    ],
)
def test_a_heading_that_cannot_be_used_is_refused(tmp_path, heading, said):
    (tmp_path / "my.csv").write_text(heading + "\n")
    with pytest.raises(FaceLLMError) as error:
        read_table(tmp_path / "my.csv")
    assert said in str(error.value)


def test_classes_have_bounds_and_may_not_name_groups_of_people(tmp_path):
    with pytest.raises(FaceLLMError, match=r"label 'hat' has 1 classes \(yes\), must have 2 to 20"):
        table_of(tmp_path, [{"image": "a.png", "hat": "yes"}])
    many = [{"image": "a.png", "hat": f"{n}"} for n in range(21)]
    with pytest.raises(FaceLLMError, match=r"21 classes.*bins first"):
        table_of(tmp_path, many)
    with pytest.raises(FaceLLMError, match="'Asian' reads as race"):
        table_of(tmp_path, [{"image": "a.png", "kind": name} for name in ("Asian", "other")])


def test_a_line_of_another_length_and_a_label_that_is_not_there_are_named(tmp_path):
    path = tmp_path / "my.csv"
    path.write_text("image,hat\na.png,yes\nb.png\nc.png,no\n")
    assert read_table(path).problems == [("my.csv line 3", "1 cells, the heading has 2")]
    with pytest.raises(FaceLLMError, match=r"--label cap: no label column of .*: hat"):
        read_table(path, ["cap"])
    with pytest.raises(FaceLLMError, match="cannot be read as UTF-8"):
        read_table(tmp_path / "none.csv")


@pytest.mark.parametrize(
    "name", ["race", "skin_tone", "isLying", "IQ", "criminal record", "first_name", "depressed"]
)
def test_what_no_face_shows_is_refused(name):
    assert refusal(name)


@pytest.mark.parametrize(
    "name", ["hair", "braces", "glasses", "embraced", "headwear", "belief", "tears", "quality"]
)
def test_what_a_face_shows_is_not(name):
    assert refusal(name) == ""


def line_of(**values):
    given = {"line": 2, "path": None, "face": None, "box": None, "subject": "", "split": ""}
    return FaceLine(**{**given, **values}, values={})


def test_of_several_faces_the_line_must_say_which():
    faces = [Face(BoundingBox(x, 0, x + 10, 10), None, 1.0) for x in (0, 50)]
    with pytest.raises(FaceLLMError, match="2 faces found; a column face or box"):
        choose_face(line_of(), faces)
    assert choose_face(line_of(face=2), faces) is faces[1]
    assert choose_face(line_of(box=(51.0, 0.0, 61.0, 10.0)), faces) is faces[1]
    with pytest.raises(FaceLLMError, match="face 3 of 2 found"):
        choose_face(line_of(face=3), faces)
    with pytest.raises(FaceLLMError, match="no face found where the box is"):
        choose_face(line_of(box=(90.0, 0.0, 99.0, 10.0)), faces)
    with pytest.raises(FaceLLMError, match="no face found"):
        choose_face(line_of(), [])


def test_a_picture_or_a_subject_falls_into_one_part():
    lines = [line_of(subject="a"), line_of(subject="a"), line_of(), line_of()]
    groups = groups_of(lines, ["1", "2", "3", "3"])
    assert groups == ["subject a", "subject a", "3", "3"]
    parts = [part_of(f"key {n}") for n in range(2000)]
    shares = [parts.count(name) / 2000 for name in ("train", "valid", "test")]
    assert shares == pytest.approx([0.64, 0.16, 0.2], abs=0.03)
