"""``facellm build forge``: what it writes can be read, resumed, and tells no codec apart."""

import json
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_faces import SIDE, drawn_face, write_prepared
from PIL import Image

from facellm.errors import FaceLLMError
from facellm.instruct_data.forge.families import FAMILIES, families_dict, family_of
from facellm.instruct_data.forge.forge_command import chosen_methods, forge, main, run_of
from facellm.instruct_data.forge.forging import METHODS, Forger, Plan
from facellm.instruct_data.forge.points import Locator
from facellm.instruct_data.forge.reader import read_forged, read_synth
from facellm.instruct_data.forge.sources import Options, RealFace, open_sources
from facellm.instruct_data.forge.stills import STILLS, Portrait
from facellm.instruct_data.forge.store import Store

STILL = tuple(STILLS)
WEIGHTS = Path(__file__).parents[3] / "facellm" / "weights" / "landmarks.safetensors"


class NoNetwork(Locator):
    """Stands in where every face brings its points; finding one would be a mistake."""

    def still(self, pixels):
        raise AssertionError("the network was asked")


def plan_of(folder, n=12, **options):
    return Plan(open_sources([str(folder)], Options()).faces, n, STILL, **options)


def make(plan, out):
    run = run_of(plan, ["drawn"], WEIGHTS)
    return forge(plan, NoNetwork(WEIGHTS), out, run)


def files_of(out):
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return write_prepared(tmp_path_factory.mktemp("drawn") / "set", 12)


@pytest.fixture(scope="module")
def made(drawn, tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "forged"
    return out, make(plan_of(drawn), out)


def rows(out):
    return list(read_forged(out))


def test_every_item_is_a_forgery_and_a_real_picture_or_a_rejection(made):
    out, manifest = made
    counts = manifest["counts"]
    assert counts["records"] + 2 * counts["rejected"] == 24
    found = rows(out)
    assert [row.fake for row in found].count(True) == [row.fake for row in found].count(False)
    assert counts["by_reason"].keys() <= {"too little changed"}


def test_rows_carry_family_mask_regions_seed_source_and_split(made):
    for row in rows(made[0]):
        key, split = row.making["sources"][0], row.split
        assert split == ("test" if int(key.rpartition("/")[2]) % 3 == 2 else "train")
        assert row.landmarks.shape == (68, 2)
        assert row.picture == b""
        assert Image.open(row.path).size == (SIDE, SIDE)
        if row.fake:
            assert row.forgery == family_of(row.making["method"])
            mask = cv2.imread(row.making["mask"], cv2.IMREAD_UNCHANGED)
            assert set(np.unique(mask)) == {0, 255}
            assert mask.shape == (SIDE, SIDE)
            assert (mask > 0).mean() == pytest.approx(row.making["mask_share"], abs=1e-5)
            assert row.making["regions"]
        else:
            assert row.forgery is None
            assert row.making["mask"] is None


def test_a_swap_stays_inside_a_split(made):
    swaps = [row for row in rows(made[0]) if len(row.making["sources"]) == 2]
    assert swaps
    for row in swaps:
        first, second = (int(key.rpartition("/")[2]) for key in row.making["sources"])
        assert (first % 3 == 2) == (second % 3 == 2)
        assert first != second


def test_files_outside_of_the_mask_tell_real_from_forged_by_nothing(made):
    """Same size, same quantisation tables, same sampling; and far from the mask the same pixels."""
    pairs: dict[str, dict[bool, object]] = {}
    for row in rows(made[0]):
        pairs.setdefault(row.making["sources"][0], {})[row.fake] = row
    for pair in pairs.values():
        real, fake = (Image.open(pair[made_up].path) for made_up in (False, True))
        assert real.quantization == fake.quantization
        assert real.size == fake.size
        assert real.layer == fake.layer  # components with their sampling factors
        mask = cv2.imread(pair[True].making["mask"], cv2.IMREAD_UNCHANGED)
        near = cv2.dilate(mask, np.ones((65, 65), np.uint8)) > 0
        np.testing.assert_array_equal(np.asarray(real)[~near], np.asarray(fake)[~near])


def test_a_killed_run_goes_on_to_the_same_folder(drawn, tmp_path):
    plan = plan_of(drawn, 21)
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    make(plan, whole)
    with Store(torn, run_of(plan, ["drawn"], WEIGHTS), plan.n_parts):
        Forger(plan, NoNetwork(WEIGHTS), torn).make_part(1)
    with pytest.raises(FaceLLMError, match="not finished"):
        rows(torn)
    make(plan, torn)
    assert files_of(torn) == files_of(whole)


def test_another_run_and_another_writer_are_refused(drawn, made):
    out, _ = made
    with pytest.raises(FaceLLMError, match=r"seed was 0, is 1"):
        make(plan_of(drawn, seed=1), out)
    plan = plan_of(drawn)
    run = run_of(plan, ["drawn"], WEIGHTS)
    with Store(out, run, 1), pytest.raises(FaceLLMError, match="another command is writing"):
        make(plan, out)


def test_a_foreign_folder_and_a_missing_parent_are_refused(drawn, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(FaceLLMError, match=r"letter\.txt"):
        make(plan_of(drawn), tmp_path / "mine")
    with pytest.raises(FaceLLMError, match="does not exist"):
        make(plan_of(drawn), tmp_path / "no" / "where")


def test_what_is_made_already_is_left_out_and_counted(tmp_path):
    folder = write_prepared(tmp_path / "set", 6, fake=[0, 1, 0, 0, 1, 0])
    sources = open_sources([str(folder)], Options())
    assert len(sources.faces) == 4
    assert sources.left_out == {"already made": 2}
    with pytest.raises(FaceLLMError, match="2 rows have the key set:drawn/"):
        open_sources([str(folder), str(folder)], Options())


def test_rows_that_a_reader_rejects_are_left_out_and_counted(tmp_path):
    Image.fromarray(drawn_face(1)[0]).save(tmp_path / "30_0_1_2017.jpg")
    (tmp_path / "130_0_1_2017.jpg").write_bytes(b"")  # nobody is 130
    sources = open_sources([f"utkface={tmp_path}"], Options())
    assert [face.key for face in sources.faces] == ["utkface:utkface/30_0_1_2017.jpg"]
    assert sources.left_out == {"value outside its range": 1}


def faces_of_two_people(split="train"):
    """Three pictures of one person and one of another."""
    return [
        RealFace(
            source="two", key=f"two:{i}", split=split, licence="mine", where=f"row {i}",
            pixels=partial(lambda i: drawn_face(i)[0], i), subject=person, points=drawn_face(i)[1],
        )
        for i, person in enumerate(("ann", "ann", "ann", "bob"))
    ]  # fmt: skip


def test_nobody_is_swapped_with_himself(tmp_path):
    plan = Plan(faces_of_two_people(), 4, ("warp_swap",))
    make(plan, tmp_path / "out")
    for row in rows(tmp_path / "out"):
        if row.fake:
            assert "two:3" in row.making["sources"]
            assert row.licence == "mine"
    alone = Plan(faces_of_two_people()[:3], 3, ("warp_swap",))
    counts = make(alone, tmp_path / "alone")["counts"]
    assert counts["by_reason"] == {"nobody to swap with": 3}
    assert counts["records"] == 0


def test_the_mask_holds_exactly_what_a_method_changed(tmp_path):
    """The stored mask is taken before encoding: the method run again gives the same difference."""
    plan = Plan(faces_of_two_people(), 4, ("self_blend",))
    make(plan, tmp_path / "out")
    for row in (row for row in rows(tmp_path / "out") if row.fake):
        pixels, points = drawn_face(int(row.making["sources"][0][-1]))
        rng = np.random.default_rng(row.making["seed"])
        again = STILLS["self_blend"].make(Portrait(pixels, points), None, rng).pixels
        mask = cv2.imread(row.making["mask"], cv2.IMREAD_UNCHANGED) > 0
        np.testing.assert_array_equal((again != pixels).any(-1), mask)


def test_pictures_that_hold_no_face_or_cannot_be_read_are_told(tmp_path, capsys):
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.new("RGB", (120, 120), (120, 130, 140)).save(photos / "wall.png")
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    assert main([str(photos), "-o", str(tmp_path / "out"), "--n", "2", "--quiet"]) == 0
    assert "cannot be read 1" in capsys.readouterr().out
    lines = (tmp_path / "out" / "rejected.jsonl").read_text().splitlines()
    rejected = {line["key"]: line for line in map(json.loads, lines)}
    assert rejected["photos:wall.png"]["reason"] == "no face"
    assert "broken.jpg" in rejected["photos:broken.jpg"]["detail"]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["nowhere"], "no such file"),
        (["nosuch=x.parquet"], "no reader 'nosuch'"),
        (["x", "--n", "0"], "--n 0"),
        (["x", "--methods", "swap"], "no method 'swap'"),
        (["x", "--methods", ","], "names no method"),
    ],
)
def test_a_bad_command_is_told(typed, words, tmp_path):
    with pytest.raises(FaceLLMError, match=words):
        main([*typed, "-o", str(tmp_path / "out")])


def test_a_torn_record_is_told_by_file_and_line(made, tmp_path):
    out = tmp_path / "copy"
    out.mkdir()
    (out / "manifest.json").write_text((made[0] / "manifest.json").read_text())
    first, second, *_ = (made[0] / "records.jsonl").read_text().splitlines()
    (out / "records.jsonl").write_text(f"{first}\n{second[:40]}\n")
    with pytest.raises(FaceLLMError, match=r"records\.jsonl, line 2"):
        rows(out)
    bad = first.replace('"face_swap"', '"puppet"').replace('"audio_driven_2d"', '"puppet"')
    lines = [json.loads(bad) | {"family": "puppet"}]
    (out / "records.jsonl").write_text(json.dumps(lines[0]) + "\n")
    with pytest.raises(FaceLLMError, match=r"line 1: family 'puppet'; legal: face_swap"):
        rows(out)
    with pytest.raises(FaceLLMError, match=r"holds 'forged', wanted 'synth'"):
        list(read_synth(out))


def test_nine_families_and_every_method_stands_for_one():
    assert len(FAMILIES) == 9
    named = [method for family in FAMILIES.values() for method in family.methods]
    assert sorted(named) == sorted((*METHODS, "rig_render"))
    without = {name for name, family in FAMILIES.items() if not family.methods}
    assert without == {"reenactment_3dmm", "audio_driven_diffusion"}
    assert all("cannot be made" in FAMILIES[name].traces for name in without)
    assert json.loads(json.dumps(families_dict())).keys() == FAMILIES.keys()


def test_methods_are_taken_in_the_order_typed_once():
    assert chosen_methods("seam, self_blend,seam") == ("seam", "self_blend")
