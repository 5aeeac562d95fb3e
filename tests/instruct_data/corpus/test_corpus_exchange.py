"""Other layouts: there and back changes nothing, and what does not fit is named by its number."""

import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from corpus_toys import toy_picture

from facellm.errors import FaceLLMError
from facellm.instruct_data.corpus.exchange import FORMATS
from facellm.instruct_data.corpus.exchange.json_list import read_list, write_list
from facellm.instruct_data.corpus.exchange.pictures import with_files
from facellm.instruct_data.corpus.record import CorpusFace, ImageRef, Message, Rating, Record

POINTS = np.random.default_rng(0).normal(100, 9, (68, 2)).astype(np.float32)
FACE = CorpusFace((80.25, 81.0, 120.5, 119.75), POINTS, 0.93)


def turns(*texts, images=1):
    roles = ("user", "assistant") * len(texts)
    marked = ("<image>\n" * images + texts[0], *texts[1:])
    return tuple(map(Message, roles, marked))


def new_record(name, **changes):
    fields = {
        "id": f"raf/{name}/age",
        "messages": turns("how old?", "34: the 'best' \"guess\"", "and now?", "still 34 \u2026"),
        "images": (ImageRef(f"raf/{name}.jpg"),),
        "faces": (FACE,),
        "task": "age",
        "labels": {"age": 34, "votes": [1, 2]},
        "source": "raf",
        "licence": "research only",
        "rating": Rating(9, 8, 7, 6, "fits", "model"),
        "split": "valid",
    }
    return Record(**{**fields, **changes})


RECORDS = [
    new_record("one"),
    new_record("no-landmarks", faces=(replace(FACE, landmarks=None),), rating=None),
    new_record("two-faces", faces=(FACE, replace(FACE, landmarks=POINTS + 50))),
    new_record("text", images=(), faces=(), messages=turns("hello?", "hello.", images=0)),
    new_record(
        "pictures",
        images=(ImageRef("a.jpg"), ImageRef("b.jpg")),
        faces=(),
        messages=turns("which?", "the first.", images=2),
    ),
    new_record("clip", images=(ImageRef("dfew/1.mp4"),), faces=()),
    new_record("long/" + "x" * 200 + "/\u00e9"),
]


def same(one):
    """A record in values that compare."""
    faces = [(f.box_xyxy, f.quality, f.landmarks is not None) for f in one.faces]
    found = [f.landmarks.tolist() for f in one.faces if f.landmarks is not None]
    return {**vars(one), "faces": (faces, found)}


@pytest.mark.parametrize("name", FORMATS)
def test_out_and_in_again_changes_nothing(name, tmp_path):
    assert FORMATS[name].export(RECORDS, tmp_path, "valid") == len(RECORDS)
    read = list(FORMATS[name].read(tmp_path))
    assert [same(record) for record in read] == [same(record) for record in RECORDS]


@pytest.mark.parametrize("name", FORMATS)
def test_in_and_out_again_gives_the_same_file(name, tmp_path):
    FORMATS[name].export(RECORDS, tmp_path / "a", "valid")
    FORMATS[name].export(FORMATS[name].read(tmp_path / "a"), tmp_path / "b", "valid")
    first, second = (
        {p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()}
        for f in (tmp_path / "a", tmp_path / "b")
    )
    assert first == second


def test_a_llava_file_has_the_fields_of_faceinstruct(tmp_path):
    FORMATS["llava"].export(RECORDS, tmp_path, "valid")
    entries = json.loads((tmp_path / "valid.json").read_text())
    one, clip = entries[0], entries[5]
    assert one["image"] == "raf/one.jpg"
    assert np.array_equal(np.load(tmp_path / one["landmarks_2d"]), POINTS)
    assert [turn["from"] for turn in one["conversations"]] == ["human", "gpt"] * 2
    assert one["conversations"][0]["value"] == "<image>\nhow old?"
    assert clip["video"] == "dfew/1.mp4"
    assert clip["conversations"][0]["value"] == "<video>\nhow old?"
    assert entries[4]["image"] == ["a.jpg", "b.jpg"]
    assert "landmarks_2d" not in entries[2]  # two faces: 68 x 2 would be one of them
    assert "image" not in entries[3]


def test_trl_gets_structured_content(tmp_path):
    FORMATS["trl"].export(RECORDS, tmp_path, "valid")
    row = pq.read_table(tmp_path / "valid.parquet").to_pylist()[4]
    assert row["messages"][0] == {
        "role": "user",
        "content": [
            {"type": "image", "text": None},
            {"type": "image", "text": None},
            {"type": "text", "text": "which?"},
        ],
    }
    assert row["images"] == [{"bytes": None, "path": "a.jpg"}, {"bytes": None, "path": "b.jpg"}]


def test_llama_factory_is_told_its_columns_and_tags(tmp_path):
    for split in ("train", "test"):
        FORMATS["llamafactory"].export(RECORDS[:1], tmp_path, split)
    info = json.loads((tmp_path / "dataset_info.json").read_text())
    assert set(info) == {"facellm_train", "facellm_test"}
    entry = info["facellm_test"]
    assert (entry["file_name"], entry["formatting"]) == ("test.json", "sharegpt")
    assert entry["columns"] == {"messages": "messages", "images": "images"}
    (line,) = json.loads((tmp_path / "test.json").read_text())
    assert line["images"] == ["raf/one.jpg"]
    assert line["messages"][0] == {"role": "user", "content": "<image>\nhow old?"}


def foreign(**changes):
    """An entry as Face-LLaVA's own files have it."""
    entry = {
        "id": "7",
        "image": "raf/7.jpg",
        "conversations": [
            {"from": "human", "value": "<image>\nWhat emotion is shown?"},
            {"from": "gpt", "value": "happiness: ..."},
        ],
    }
    return {k: v for k, v in (entry | changes).items() if v is not None}


def test_a_foreign_llava_file_becomes_records(tmp_path):
    np.save(tmp_path / "7.npy", POINTS)
    entries = [foreign(landmarks_2d="7.npy"), foreign(image=None, video="dfew/1.mp4", id="8")]
    entries[1]["conversations"][0]["value"] = "<video>\nWhat emotion is shown?"
    (tmp_path / "mine.json").write_text(json.dumps(entries, indent=4))
    picture, clip = FORMATS["llava"].read(tmp_path / "mine.json")
    assert np.array_equal(picture.faces[0].landmarks, POINTS)
    assert picture.faces[0].box_xyxy[0] == POINTS[:, 0].min()
    assert (picture.source, picture.task) == ("imported", "description")
    assert clip.images == (ImageRef("dfew/1.mp4"),)
    assert clip.messages[0].content == "<image>\nWhat emotion is shown?"


BAD = [
    (foreign(image=["a.jpg", "b.jpg"]), "1 <image> for 2 pictures"),
    (foreign(image=None), "1 <image> for 0 pictures"),
    (foreign(conversations=[]), "by turns"),
    (foreign(conversations=foreign()["conversations"][:1]), "by turns"),
    (foreign(conversations=foreign()["conversations"][::-1]), "by turns"),
    (foreign(conversations=[{"from": "system", "value": "x"}]), "role 'system'"),
    (foreign(conversations=[{"from": "human", "value": None}]), "NoneType"),
    (foreign(conversations="x"), "no list 'conversations'"),
    (foreign(image=7), "paths of pictures are text"),
    (foreign(task="mood"), "task 'mood' is none of"),
    (foreign(split="dev"), "split 'dev' is none of"),
    (foreign(faces=[{"box": [1]}]), "fields do not fit"),
    (foreign(rating={"stars": 5}), "fields do not fit"),
    (foreign(landmarks_2d="gone.npy"), "gone.npy cannot be read"),
    ("text", "is no object"),
]


@pytest.mark.parametrize(("entry", "message"), BAD, ids=[message for _, message in BAD])
def test_a_record_that_does_not_fit_is_named_by_its_number(tmp_path, entry, message):
    (tmp_path / "bad.json").write_text(json.dumps([foreign(), entry]))
    with pytest.raises(FaceLLMError, match=rf"bad.json, record 2.*{message}"):
        list(FORMATS["llava"].read(tmp_path / "bad.json"))


@pytest.mark.parametrize("name", ["trl", "llamafactory"])
def test_the_other_formats_count_pictures_too(tmp_path, name):
    FORMATS[name].export(RECORDS[:2], tmp_path, "valid")
    if name == "trl":
        table = pq.read_table(tmp_path / "valid.parquet")
        lines = table.to_pylist()
        lines[1]["images"] *= 2
        pq.write_table(type(table).from_pylist(lines, table.schema), tmp_path / "valid.parquet")
    else:
        lines = json.loads((tmp_path / "valid.json").read_text())
        lines[1]["images"] *= 2
        (tmp_path / "valid.json").write_text(json.dumps(lines))
    with pytest.raises(FaceLLMError, match=r"valid.*, record 2: 1 <image> for 2 pictures"):
        list(FORMATS[name].read(tmp_path))


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_a_list_is_read_the_same_in_any_chunks(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr("facellm.instruct_data.corpus.exchange.json_list.CHUNK", chunk)
    entries = [{"n": n, "text": "a, ]}[ \u00e9" * n} for n in range(9)]
    assert write_list(tmp_path / "a.json", entries) == 9
    assert json.loads((tmp_path / "a.json").read_text()) == entries
    assert list(read_list(tmp_path / "a.json")) == entries
    (tmp_path / "b.json").write_text("\n".join(map(json.dumps, entries)))
    assert list(read_list(tmp_path / "b.json")) == entries
    write_list(tmp_path / "c.json", [])
    assert list(read_list(tmp_path / "c.json")) == []


@pytest.mark.parametrize("text", ['[{"a": 1}, {"b"', '[{"a": 1},', '[{"a": 1}, nonsense]'])
def test_a_list_that_is_cut_off_is_told_where(tmp_path, text):
    (tmp_path / "cut.json").write_text(text)
    with pytest.raises(FaceLLMError, match=r"cut.json, record 2: cannot be read"):
        list(read_list(tmp_path / "cut.json"))


def test_embedded_pictures_become_files_once(tmp_path):
    data = toy_picture(1)
    records = [new_record("one", images=(ImageRef("x#1", data),)) for _ in range(2)]
    paths = {record.images[0].path for record in with_files(records, tmp_path)}
    (path,) = paths
    assert path.endswith(".png")
    assert (tmp_path / path).read_bytes() == data
    with pytest.raises(FaceLLMError, match=r"raf/one.jpg is not embedded"):
        list(with_files([new_record("one")], tmp_path))
