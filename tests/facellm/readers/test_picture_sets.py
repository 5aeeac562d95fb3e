"""RAF-DB, UTKFace, MORPH II, FairFace, CelebA on made-up trees of their layouts."""

import pytest
from face_trees import parted, picture, text

from facellm.errors import FaceLLMError
from facellm.instruct_data.readers import open_set
from facellm.labels import split_of
from facellm.readers.celeba import ATTRIBUTES, JUDGEMENTS


def raf_tree(folder, *lines, manual=("0", "2", "3")):
    text(folder / "basic/EmoLabel/list_patition_label.txt", *lines, end="\r\n")
    for line in lines:
        stem = line.split(".")[0] or "blank"
        picture(folder / f"basic/Image/aligned/{stem}_aligned.jpg")
        points = ["1.5\t2.5"] * 5
        text(folder / f"basic/Annotation/manual/{stem}_manu_attri.txt", *points, *manual)


def test_rafdb(tmp_path):
    raf_tree(tmp_path, "train_00001.jpg 5", "test_0001.jpg 7")
    (one, two), bad = parted(open_set("rafdb", tmp_path))
    assert bad == []
    assert (one.expression, one.male, one.group, one.age_range) == (
        "sadness",
        True,
        "Asian",
        (40, 69),
    )
    assert one.age is None
    assert one.path.name == "train_00001_aligned.jpg"
    assert (two.expression, two.split) == ("neutral", "test")


def test_rafdb_unsure_gender_is_missing_and_attributes_are_optional(tmp_path):
    raf_tree(tmp_path, "train_00001.jpg 1", manual=("2", "0", "4"))
    ((row,), _) = parted(open_set("rafdb", tmp_path))
    assert (row.male, row.age_range) == (None, (70, 116))
    (tmp_path / "basic/Annotation/manual/train_00001_manu_attri.txt").unlink()
    ((row,), _) = parted(open_set("rafdb", tmp_path))
    assert (row.expression, row.group, row.age_range) == ("surprise", None, None)


@pytest.mark.parametrize(
    ("line", "manual", "reason"),
    [
        ("train_00001.jpg 8", ("0", "0", "0"), "label outside the set"),
        ("train_00001.jpg", ("0", "0", "0"), "value missing"),
        ("foto_00001.jpg 1", ("0", "0", "0"), "label outside the set"),
        ("train_00001.jpg 1", ("0", "0", "9"), "label outside the set"),
        ("train_00001.jpg 1", ("0", "0"), "label outside the set"),
    ],
)
def test_rafdb_bad_lines(tmp_path, line, manual, reason):
    raf_tree(tmp_path, line, manual=manual)
    rows, bad = parted(open_set("rafdb", tmp_path))
    assert (rows, [one.reason for one in bad]) == ([], [reason])
    assert bad[0].where.endswith("list_patition_label.txt, line 1")


def test_rafdb_original_pictures_that_are_not_there(tmp_path):
    raf_tree(tmp_path, "train_00001.jpg 1")
    rows, bad = parted(open_set("rafdb", tmp_path, {"aligned": False}))
    assert (rows, [one.reason for one in bad]) == ([], ["picture missing"])


def test_utkface_by_file_names(tmp_path):
    picture(tmp_path / "25_0_3_20170116174525125.jpg")
    picture(tmp_path / "61_1_20170109142408075.jpg")  # one of the set's own misnamed files
    picture(tmp_path / "117_1_0_20170109142408075.jpg")
    (tmp_path / "1_1_4_20170109142408075.jpg").write_bytes(b"x")
    (tmp_path / "1_1_4_20170109142408075.jpg").rename(
        tmp_path / "1_1_4_20170109142408075.jpg.chip.jpg"
    )
    rows, bad = parted(open_set("utkface", tmp_path))
    assert [(row.age, row.male, row.group) for row in rows] == [
        (1, False, "other"),
        (25, True, "indian"),
    ]
    assert [one.reason for one in bad] == ["value outside its range", "label outside the set"]
    assert [row.split for row in rows] == [split_of(row.key) for row in rows]


MORPH = "id_num,picture_num,dob,doa,race,gender,facial_hair,age,age_diff,glasses,photo"


def test_morph_is_split_by_person(tmp_path):
    lines = [
        f"00{n},0,1/1/1960,1/1/2005,B,M,1,{40 + k},0,,Album2/{n}_{k}M.JPG"
        for n in range(10, 22)
        for k in range(3)
    ]
    for line in lines:
        picture(tmp_path / line.split(",")[-1])
    text(tmp_path / "MORPH_Album2_comp.csv", MORPH, *lines, mark=True)
    rows, bad = parted(open_set("morph", tmp_path))
    assert (len(rows), bad) == (36, [])
    assert all(len({row.split for row in rows if row.subject == one.subject}) == 1 for one in rows)
    assert len({row.split for row in rows}) > 1
    assert (rows[0].age, rows[0].male, rows[0].group) == (40, True, "B")


def test_morph_names_bad_lines_and_the_wrong_column(tmp_path):
    good = "0010,0,,,W,F,,30,,,a.JPG"
    picture(tmp_path / "a.JPG")
    file = text(
        tmp_path / "MORPH_x.csv",
        MORPH,
        good,
        good.replace("30", "130"),
        good.replace(",F,", ",X,"),
        good.replace("a.JPG", "b.JPG"),
    )
    rows, bad = parted(open_set("morph", file))
    assert len(rows) == 1
    assert [one.where[-1] for one in bad] == ["3", "4", "5"]
    text(file, MORPH.replace("gender", "sex"), good)
    with pytest.raises(FaceLLMError, match="no column 'gender'"):
        list(open_set("morph", file))
    with pytest.raises(FaceLLMError, match="holds 0 files MORPH"):
        list(open_set("morph", picture(tmp_path / "empty/x.jpg").parent))


def test_fairface_has_groups_of_years(tmp_path):
    header = "file,age,gender,race,service_test"
    rows = [
        "train/1.jpg,3-9,Male,East Asian,True",
        "train/2.jpg,more than 70,Female,Black,False",
        "train/3.jpg,old,Male,White,True",
        "train/4.jpg,3-9,M,White,True",
        "train/5.jpg,3-9,Male,White,True",
    ]
    for n in (1, 2, 3, 4):
        picture(tmp_path / f"train/{n}.jpg")
    picture(tmp_path / "val/1.jpg")
    text(tmp_path / "fairface_label_train.csv", header, *rows)
    text(tmp_path / "fairface_label_val.csv", header, rows[0].replace("train", "val"))
    good, bad = parted(open_set("fairface", tmp_path))
    assert [(row.age_range, row.male, row.group) for row in good] == [
        ((3, 9), True, "East Asian"),
        ((70, 116), False, "Black"),
        ((3, 9), True, "East Asian"),
    ]
    assert good[2].split == "test"
    assert [one.reason for one in bad] == [
        "label outside the set",
        "label outside the set",
        "picture missing",
    ]


def celeba_tree(folder, ending, values="1", count=3):
    names = [f"{n:06d}.jpg" for n in range(1, count + 1)]
    for name in names:
        picture(folder / "img_align_celeba" / name)
        picture(folder / "img_celeba" / name)
    flags = [[values, *["-1"] * 39] for _ in names]
    if ending == "txt":
        text(
            folder / "Anno/list_attr_celeba.txt",
            str(count),
            " ".join(ATTRIBUTES),
            *(f"{n}  {' '.join(f)}" for n, f in zip(names, flags, strict=True)),
            end="\r\n",
        )
        text(
            folder / "Eval/list_eval_partition.txt", *(f"{n} {i % 3}" for i, n in enumerate(names))
        )
        text(folder / "Anno/identity_CelebA.txt", *(f"{n} 28{i}" for i, n in enumerate(names)))
        text(
            folder / "Anno/list_bbox_celeba.txt",
            str(count),
            "image_id x_1 y_1 width height",
            *(f"{n} 1 2 3 4" for n in names),
        )
    else:
        text(
            folder / "list_attr_celeba.csv",
            ",".join(("image_id", *ATTRIBUTES)),
            *(f"{n},{','.join(f)}" for n, f in zip(names, flags, strict=True)),
        )
        text(
            folder / "list_eval_partition.csv",
            "image_id,partition",
            *(f"{n},{i % 3}" for i, n in enumerate(names)),
        )


@pytest.mark.parametrize("ending", ["txt", "csv"])
def test_celeba(tmp_path, ending):
    celeba_tree(tmp_path, ending)
    rows, bad = parted(open_set("celeba", tmp_path))
    assert bad == []
    assert [row.split for row in rows] == ["train", "valid", "test"]
    assert rows[0].attributes["5_o_Clock_Shadow"] is True
    assert sum(rows[0].attributes.values()) == 1
    assert len(rows[0].attributes) == 40
    assert (rows[0].male, rows[0].box) == (False, None)
    assert rows[0].subject == ("280" if ending == "txt" else None)
    assert set(ATTRIBUTES) >= JUDGEMENTS


def test_celeba_rectangles_belong_to_pictures_in_the_wild(tmp_path):
    celeba_tree(tmp_path, "txt")
    rows, _ = parted(open_set("celeba", tmp_path, {"wild": True}))
    assert rows[0].box == (1, 2, 4, 6)
    assert rows[0].path.parent.name == "img_celeba"


def test_celeba_bad_values_and_lists(tmp_path):
    celeba_tree(tmp_path, "txt", values="0")
    rows, bad = parted(open_set("celeba", tmp_path))
    assert (rows, {one.reason for one in bad}) == ([], {"label outside the set"})
    assert bad[0].where.endswith("list_attr_celeba.txt, line 3")
    text(tmp_path / "Eval/list_eval_partition.txt", "000002.jpg 0")
    with pytest.raises(FaceLLMError, match=r"'000001\.jpg', but .*'000002\.jpg'"):
        list(open_set("celeba", tmp_path))
    text(tmp_path / "Anno/list_attr_celeba.txt", "3", " ".join(ATTRIBUTES[:-1]), "a 1")
    with pytest.raises(FaceLLMError, match="no column 'Young'"):
        list(open_set("celeba", tmp_path))
