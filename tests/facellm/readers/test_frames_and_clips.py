"""DISFA, BP4D, FaceForensics++, DFEW, CREMA-D, MAFW, FERV39k, RAER on made-up trees."""

import json

import pytest
from face_trees import parted, picture, text, touch

from facellm.errors import FaceLLMError
from facellm.instruct_data.readers import open_set
from facellm.labels import split_of

DISFA_UNITS = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)


def disfa_tree(folder, subject="SN001", frames=3, value="2"):
    for unit in DISFA_UNITS:
        lines = [f"{n},{value if unit == 12 else 0}" for n in range(1, frames + 1)]
        text(folder / f"ActionUnit_Labels/{subject}/{subject}_au{unit}.txt", *lines, end="\r\n")
    for n in range(1, frames + 1):
        picture(folder / f"Frames/{subject}/{n}.jpg")


def test_disfa_intensities_and_split_by_subject(tmp_path):
    disfa_tree(tmp_path, "SN001")
    disfa_tree(tmp_path, "SN002", value="5")
    rows, bad = parted(open_set("disfa", tmp_path))
    assert (len(rows), bad) == (6, [])
    assert set(rows[0].units) == set(DISFA_UNITS)
    assert (rows[0].units[12], rows[0].units[1], rows[3].units[12]) == (0.4, 0.0, 1.0)
    assert [row.split for row in rows[:3]] == [split_of("disfa/SN001")] * 3
    assert rows[4].key == "disfa/SN002/2"


def test_disfa_bad_lines_are_named(tmp_path):
    disfa_tree(tmp_path, value="6")
    rows, bad = parted(open_set("disfa", tmp_path))
    assert (rows, [one.where[-6:] for one in bad]) == ([], ["line 1", "line 2", "line 3"])
    disfa_tree(tmp_path)
    (tmp_path / "Frames/SN001/2.jpg").unlink()
    rows, bad = parted(open_set("disfa", tmp_path))
    assert (len(rows), [one.reason for one in bad]) == (2, ["picture missing"])
    text(tmp_path / "ActionUnit_Labels/SN001/SN001_au4.txt", "1,0", "3,0", "2,0")
    with pytest.raises(FaceLLMError, match=r"is '2', but .*au4\.txt, line 2 is '3'"):
        list(open_set("disfa", tmp_path))


@pytest.mark.parametrize("place", ["AUCoding", "AUCoding/AU_OCC"])
def test_bp4d_leaves_uncoded_units_out(tmp_path, place):
    text(
        tmp_path / place / "F001_T1.csv",
        "0,1,2,12,23",
        "12,1,0,9,1",
        "13,0,0,999,0",
        "14,9,9,9,0",
        "15,2,0,0,0",
        "16,0,0,1,0",
    )
    for name in ("0012", "013", "14", "0015"):
        picture(tmp_path / f"2D+3D/F001/T1/{name}.jpg")
    rows, bad = parted(open_set("bp4d", tmp_path))
    assert [row.units for row in rows] == [{1: 1.0, 2: 0.0}, {1: 0.0, 2: 0.0}]
    assert [(one.reason, one.where[-6:]) for one in bad] == [
        ("no label", "line 4"),
        ("value outside its range", "line 5"),
        ("picture missing", "line 6"),
    ]
    assert rows[0].split == split_of("bp4d/F001")


def test_bp4d_without_units_is_an_error(tmp_path):
    text(tmp_path / "AUCoding/F001_T1.csv", "frame,happy", "1,0")
    with pytest.raises(FaceLLMError, match="line 1: names no action unit"):
        list(open_set("bp4d", tmp_path))


def ffpp_tree(folder):
    for name, pair in (
        ("train", ["000", "003"]),
        ("val", ["001", "004"]),
        ("test", ["002", "005"]),
    ):
        text(folder / f"splits/{name}.json", json.dumps([pair]))
        touch(folder / f"original_sequences/youtube/c23/videos/{pair[0]}.mp4")
        for method in ("Deepfakes", "Face2Face"):
            name = f"{pair[0]}_{pair[1]}.mp4"
            touch(folder / f"manipulated_sequences/{method}/c23/videos/{name}")


def test_ffpp(tmp_path):
    ffpp_tree(tmp_path)
    options = {"methods": ["Deepfakes", "Face2Face"]}
    touch(tmp_path / "original_sequences/youtube/c23/videos/999.mp4")
    rows, bad = parted(open_set("ffpp", tmp_path, options))
    assert [(row.fake, row.forgery) for row in rows] == [
        *[(False, None)] * 3,
        *[(True, "face_swap")] * 3,
        *[(True, "reenactment_warp")] * 3,
    ]
    assert [row.split for row in rows] == ["train", "valid", "test"] * 3
    assert {row.media for row in rows} == {"clip"}
    assert [one.key for one in bad] == ["ffpp/original/999"]


def test_ffpp_structural_errors(tmp_path):
    ffpp_tree(tmp_path)
    with pytest.raises(FaceLLMError, match="NeuralTextures/c23/videos: no such folder"):
        list(open_set("ffpp", tmp_path, {"methods": ["NeuralTextures"]}))
    with pytest.raises(FaceLLMError, match="'Deepfake' is none of"):
        list(open_set("ffpp", tmp_path, {"methods": ["Deepfake"]}))
    text(tmp_path / "splits/val.json", json.dumps([["000", "009"]]))
    with pytest.raises(FaceLLMError, match="video 000 is in train too"):
        list(open_set("ffpp", tmp_path))
    text(tmp_path / "splits/val.json", "{oops")
    with pytest.raises(FaceLLMError, match="not a list of pairs"):
        list(open_set("ffpp", tmp_path))


def test_dfew(tmp_path):
    lists = tmp_path / "EmoLabel_DataSplit"
    text(
        lists / "train(single-labeled)/set_1.csv",
        "video_name,label",
        "1,1",
        "2,7",
        "3,0",
        "4,8",
        "5,3",
        "",
        "x,1",
        mark=True,
        end="\r\n",
    )
    text(lists / "test(single-labeled)/set_1.csv", "video_name,label", "6,4")
    picture(tmp_path / "Clip/clip_224x224_16f/00001/1.jpg")
    touch(tmp_path / "Clip/original/2.mp4")
    picture(tmp_path / "Clip/clip_224x224/00006/1.jpg")
    rows, bad = parted(open_set("dfew", tmp_path))
    assert [(row.expression, row.media) for row in rows] == [
        ("happiness", "frames"),
        ("fear", "clip"),
        ("anger", "frames"),
    ]
    assert rows[2].split == "test"
    assert [(one.reason, one.where[-1]) for one in bad] == [
        ("label without a counterpart", "4"),
        ("label outside the set", "5"),
        ("picture missing", "6"),
        ("value outside its range", "8"),
    ]
    with pytest.raises(FaceLLMError, match=r"set_2\.csv: no such"):
        list(open_set("dfew", tmp_path, {"fold": 2}))


def test_crema_d_is_split_by_actor(tmp_path):
    for actor in range(1001, 1021):
        touch(tmp_path / f"VideoFlash/{actor}_DFA_ANG_XX.flv")
        touch(tmp_path / f"VideoFlash/{actor}_IEO_HAP_HI.flv")
    touch(tmp_path / "VideoFlash/1001_DFA_JOY_XX.flv")
    text(
        tmp_path / "VideoDemographics.csv",
        "ActorID,Age,Sex,Race,Ethnicity",
        "1001,51,Male,Caucasian,Not Hispanic",
    )
    rows, bad = parted(open_set("crema_d", tmp_path))
    assert [one.key for one in bad] == ["1001_DFA_JOY_XX.flv"]
    assert (rows[0].expression, rows[1].expression) == ("anger", "happiness")
    assert (rows[0].age, rows[0].male, rows[0].group) == (51, True, "Caucasian")
    assert (rows[2].age, rows[2].male) == (None, None)
    assert all(rows[i].split == rows[i + 1].split for i in range(0, 40, 2))
    assert len({row.split for row in rows}) > 1
    text(tmp_path / "VideoDemographics.csv", "ActorID,Age,Sex", "1001,x,Male")
    with pytest.raises(FaceLLMError, match="line 2"):
        list(open_set("crema_d", tmp_path))


def test_mafw_and_ferv39k(tmp_path):
    lists = tmp_path / "m/Train & Test Set/single/no_caption/set_1"
    text(lists / "train.txt", "00001.mp4 anger", "00002.mp4 anxiety", "00003.mp4 cheer")
    text(lists / "test.txt", "00004.mp4 contempt", "00005.mp4 fear")
    touch(tmp_path / "m/data/clips/00001.mp4")
    picture(tmp_path / "m/data/frames/00004/0001.png")
    rows, bad = parted(open_set("mafw", tmp_path / "m"))
    assert [(row.expression, row.media) for row in rows] == [
        ("anger", "clip"),
        ("contempt", "frames"),
    ]
    assert [one.reason for one in bad] == [
        "label without a counterpart",
        "label outside the set",
        "picture missing",
    ]
    setups = tmp_path / "f/4_setups/All_scenes"
    text(setups / "train_All.csv", "Action/Sad/0010 Sad", "Action/Sad/0011 Sad")
    text(setups / "test_All.csv", "War/Fear/0001 Fear")
    picture(tmp_path / "f/2_ClipsforFaceCrop/Action/Sad/0010/1.jpg")
    picture(tmp_path / "f/2_ClipsforFaceCrop/War/Fear/0001/1.jpg")
    rows, bad = parted(open_set("ferv39k", tmp_path / "f"))
    assert [(row.expression, row.key) for row in rows] == [
        ("sadness", "ferv39k/Action/Sad/0010"),
        ("fear", "ferv39k/War/Fear/0001"),
    ]
    assert rows[1].split == "test"
    assert [one.where[-6:] for one in bad] == ["line 2"]


def test_raer_names_behaviour_and_needs_the_agreement(tmp_path):
    file = text(tmp_path / "train.txt", "a 10 1", "b 12 5", "c 9 6", "d 9 2")
    for name in "abc":
        picture(tmp_path / name / "1.jpg")
    with pytest.raises(FaceLLMError, match="agreed: true"):
        list(open_set("raer", file))
    rows, bad = parted(open_set("raer", file, {"agreed": True, "split": "test"}))
    assert [(row.behaviour, row.split, row.expression) for row in rows] == [
        ("attending", "test", None),
        ("looking away", "test", None),
    ]
    assert [one.reason for one in bad] == ["label outside the set", "picture missing"]
    with pytest.raises(FaceLLMError, match="split 'all'"):
        list(open_set("raer", file, {"agreed": True, "split": "all"}))
