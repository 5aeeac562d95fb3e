"""``facellm adapt`` end to end on the toy: what it writes, what may change, what is refused."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from adapt_toys import write_faces, write_table
from cli_runs import refused
from safetensors.torch import load_file

from facellm.adapted_engine import AdaptedEngine
from facellm.adapter_labels import CALIBRATION, load_facts, new_label
from facellm.assistant import FaceAssistant
from facellm.baseline import Baseline
from facellm.checkpoint import load_checkpoint
from facellm.cli import main
from facellm.doctor_command import MISSING, OK, adapter_finding
from facellm.errors import FaceLLMError
from facellm.label_reader import shared_copy
from facellm.labels import QUERY_INDEX

COLUMNS = ("hair", "age", "subject")


@pytest.fixture(scope="module")
def made(tiny_checkpoint, tmp_path_factory):
    """A folder with a table, its pictures and the adapter of them."""
    folder = tmp_path_factory.mktemp("adapt")
    table = write_faces(folder, 64, columns=COLUMNS, subjects=32)
    model = ("--model", str(tiny_checkpoint))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACELLM_CACHE", str(folder / "none"))
        out = str(folder / "mine")
        assert main(["adapt", str(table), "-o", out, "--crops", "--quiet", *model]) == 0
    return folder


@pytest.fixture(scope="module")
def pair(made, tiny_checkpoint):
    """The assistant without and with the adapter."""
    return (
        FaceAssistant.load(tiny_checkpoint, engine="torch"),
        FaceAssistant.load(tiny_checkpoint, engine="torch", adapter=made / "mine"),
    )


def some_crops(count=4):
    rng = np.random.default_rng(3)
    return [rng.integers(0, 256, (96, 96, 3), dtype=np.uint8) for _ in range(count)]


def test_a_new_label_is_learned_and_judged_on_held_out_faces(made):
    report = json.loads((made / "mine" / "report.json").read_text())
    hair = report["labels"]["hair"]
    assert hair["figures"]["AUC"]["value"] > 0.9
    assert hair["verdict"].startswith("helps")
    assert hair["base_rate"]["share"] < 0.8
    assert "the intervals are wide" in hair["note"]
    faces = report["faces"]
    assert faces["train"] + faces["valid"] + faces["test"] == faces["used"] == 64
    assert report["labels"]["age"]["unadapted"]["MAE, years"]["value"] > 0
    assert "## hair" in (made / "mine" / "report.md").read_text()
    assert {path.name for path in (made / "mine").iterdir()} == {
        "adapter_config.json", "adapter_model.safetensors", "labels.json", "calibration.json",
        "report.json", "report.md",
    }  # fmt: skip
    assert not list(made.glob("*.part"))


def test_readings_that_are_not_corrected_do_not_move_by_a_bit(made, pair):
    adapted = pair[1]
    report = json.loads((made / "mine" / "report.json").read_text())
    assert report["old_tasks"]["largest_change"] == 0
    pixels, points = torch.randn(3, 3, 96, 96), torch.rand(3, 68, 2)
    before, after = (a.engine.logprobs(pixels, points) for a in pair)
    for place, (old, new) in enumerate(zip(before, after, strict=True)):
        if place != QUERY_INDEX["age"]:
            assert np.array_equal(old, new)
    assert not np.array_equal(before[QUERY_INDEX["age"]], after[QUERY_INDEX["age"]])
    for old, new in zip(*(a.read_crops(some_crops()) for a in pair), strict=True):
        assert old.adapted == {}
        assert sum(new.adapted["hair"].values()) == pytest.approx(1)
        assert old.expression == new.expression
        assert old.action_units == new.action_units
        assert "adapted" not in old.to_dict()
        assert type(new).from_dict(new.to_dict()) == new
    assert isinstance(adapted.engine, AdaptedEngine)
    assert "adapter mine (sha256" in adapted.engine.detail


def test_strength_0_leaves_the_base_and_a_second_run_gives_equal_weights(
    made, tiny_checkpoint, tmp_path, monkeypatch
):
    weak = shutil.copytree(made / "mine", tmp_path / "weak")
    fitted = json.loads((weak / CALIBRATION).read_text())
    fitted["age"]["strength"] = 0.0
    (weak / CALIBRATION).write_text(json.dumps(fitted))
    assert load_facts(weak).corrections == ()
    monkeypatch.setenv("FACELLM_CACHE", str(tmp_path / "none"))
    again = ["adapt", str(made / "my.csv"), "-o", str(tmp_path / "again"), "--crops", "--quiet"]
    assert main([*again, "--model", str(tiny_checkpoint)]) == 0
    first, second = (
        load_file(folder / "adapter_model.safetensors")
        for folder in (made / "mine", tmp_path / "again")
    )
    assert all(torch.equal(first[name], second[name]) for name in {*first, *second})


def test_read_writes_columns_and_names_the_adapter(made, tiny_checkpoint, tmp_path):
    out = tmp_path / "t.parquet"
    words = ["read", str(made / "pics"), "--crops", "-o", str(out), "--quiet"]
    words += ["--model", str(tiny_checkpoint), "--adapter", str(made / "mine")]
    assert main(words) == 0
    table = pd.read_parquet(out)
    assert np.allclose(table["hair.long"] + table["hair.short"], 1, atol=1e-4)
    manifest = json.loads((tmp_path / "t.parquet.manifest.json").read_text())
    digest = load_facts(made / "mine").digest
    assert manifest["adapter"] == {"name": "mine", "sha256": digest}
    assert manifest["weights"]["adapter mine"] == digest
    notes = {column["name"]: column for column in manifest["columns"]}
    assert notes["hair.long"]["meaning"] == "probability that the face shows hair long"
    assert "it corrects age" in manifest["methods"]


def test_ask_says_it_by_rule_and_in_json(made, tiny_checkpoint, capsys):
    words = ["ask", str(made / "pics" / "001.png"), "Is the mouth open?", "--crops", "--quiet"]
    words += ["--model", str(tiny_checkpoint), "--adapter", str(made / "mine")]
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["faces"][0]["reading"]["adapted"]["hair"]) == {"long", "short"}
    assert main(words) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    declined = found["intent"] in ("off_topic", "out_of_bounds")
    assert declined or line.startswith("The adapter mine reads: hair ")


def test_an_adapter_of_other_weights_is_refused_and_doctor_says_so(
    made, tiny_checkpoint, tmp_path, capsys
):
    other = shutil.copytree(tiny_checkpoint, tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"region_heads": 4}, indent=7))
    assert adapter_finding(made / "mine", tiny_checkpoint).state == OK
    finding = adapter_finding(made / "mine", other)
    assert finding.state == MISSING
    assert "an adapter of" in finding.text
    words = ["read", str(made / "pics"), "--crops", "--adapter", str(made / "mine")]
    shutil.copy(tiny_checkpoint / "config.json", other / "config.json")
    template = other / "chat_template.jinja"
    template.write_text(template.read_text() + "{# other #}")
    assert "an adapter of" in refused(capsys, *words, "--model", str(other))
    broken = shutil.copytree(made / "mine", tmp_path / "broken")
    (broken / CALIBRATION).write_text("{}")
    assert "not labels of this version" in refused(
        capsys, *words[:-1], str(broken), "--model", str(tiny_checkpoint)
    )
    assert "not an adapter" in refused(capsys, *words[:-1], str(tmp_path / "none"))


def test_a_baseline_of_the_bare_weights_is_refused_with_an_adapter(pair):
    digests = [assistant.checkpoint.digests() for assistant in pair]
    bare = Baseline({}, {}, digests[0], {}, 1.0, "", "")
    bare.check_weights(digests[0])
    with pytest.raises(FaceLLMError, match="adapter mine"):
        bare.check_weights(digests[1])


def test_a_shared_copy_takes_no_memory_and_the_base_keeps_its_modules(tiny_checkpoint):
    model = load_checkpoint(tiny_checkpoint).model
    copied = shared_copy(model)
    assert all(a is b for a, b in zip(model.parameters(), copied.parameters(), strict=True))
    assert not {id(m) for m in model.modules()} & {id(m) for m in copied.modules()}


def test_too_few_faces_and_bad_places_are_refused(made, tiny_checkpoint, tmp_path, capsys):
    model = ("--model", str(tiny_checkpoint), "--crops", "--quiet")
    rows = [{"image": f"{n}.png", "hair": ("a", "b")[n % 2]} for n in range(3)]
    lost = str(write_table(tmp_path / "lost.csv", rows))
    said = refused(capsys, "adapt", lost, "-o", str(tmp_path / "x"), *model)
    assert "no line can be used of 3: lost.csv line 2: 0.png" in said
    few = str(write_faces(tmp_path, 12, name="few.csv"))
    said = refused(capsys, "adapt", few, "-o", str(tmp_path / "x"), *model)
    assert "6 usable faces of hair 'long', at least 10 are needed" in said
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("x")
    said = refused(capsys, "adapt", few, "-o", str(tmp_path / "full"))
    assert "holds other files than an adapter" in said
    assert not (tmp_path / "x").exists()


def test_more_classes_than_spare_tokens_are_refused():
    assert new_label("a", ["x", "y"], 3).tokens == ("<spare_4>", "<spare_5>")
    with pytest.raises(FaceLLMError, match="129 spare tokens are needed"):
        new_label("a", ["x", "y"], 126)
