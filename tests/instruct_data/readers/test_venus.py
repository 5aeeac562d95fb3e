"""VENUS records as parquet, JSON and JSON lines; gaps, harmful utterances, unusable fields."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from face_trees import parted, text

from facellm.errors import FaceLLMError
from facellm.instruct_data.readers import open_set
from facellm.labels import split_of


def utterance(number, speaker="A", **changes):
    start = 2.0 * number
    words = [
        {"word": "well", "start_time": start, "end_time": start + 0.3},
        {"word": "yes", "start_time": start + 1, "end_time": start + 1.4},
    ]
    return {
        "utterance_id": number,
        "speaker": speaker,
        "text": "well yes",
        "start_time": start,
        "end_time": start + 1.5,
        "words": words,
    } | changes


def record(*utterances, **changes):
    return {
        "video_id": "abc",
        "segment_id": 4,
        "conversation": list(utterances),
        "facial_expression": [],
        "body_language": [],
        "harmful_utterance_id": [],
    } | changes


def columns(items):
    """A list of structs as the struct of lists that the hub's parquet holds."""
    return {key: [item[key] for item in items] for key in items[0]}


def hub_form(one):
    """A record as the hub's parquet holds it."""
    turns = [turn | {"words": columns(turn["words"])} for turn in one["conversation"]]
    tracks = {name: columns(one[name]) for name in ("facial_expression", "body_language")}
    return one | {"conversation": columns(turns)} | tracks


def features(number, frames, size):
    return [{"utt_id": number, "frame": f"{f}_0", "features": [0.5] * size} for f in frames]


def test_parquet_json_and_lines_give_the_same_dialogue(tmp_path):
    one = record(
        utterance(0, face_codes=[1, None, 511]),
        utterance(1, "B", face_codes=[]),
        facial_expression=features(0, range(0, 50, 2), 156),
        body_language=features(1, range(50, 60), 179),
    )
    pq.write_table(pa.Table.from_pylist([hub_form(one)] * 2), tmp_path / "train-0.parquet")
    pq.write_table(pa.Table.from_pylist([one]), tmp_path / "list.parquet")
    text(tmp_path / "a.json", json.dumps(one), mark=True)
    text(tmp_path / "b.jsonl", json.dumps(one), "", json.dumps(one), end="\r\n")
    rows, bad = parted(open_set("venus", tmp_path))
    assert (len(rows), bad) == (6, [])
    for row in rows[1:]:
        assert row.dialogue == rows[0].dialogue
    first, second = rows[0].dialogue["utterances"]
    assert first["words"][1] == ["yes", 1.0, 1.4]
    assert (first["face_codes"], first["body_codes"]) == ((1, None, 511), None)
    assert (first["face_features"], second["body_features"]) == (25, 10)
    assert (rows[0].media, rows[0].subject, rows[0].key) == ("dialogue", "abc", "venus/abc/4")
    assert rows[0].split == split_of("venus/abc")  # of a.json: no split in its name
    assert rows[-1].split in ("train", "valid")


def test_harmful_utterances_are_rejections_and_the_rest_stays(tmp_path):
    file = text(
        tmp_path / "a.jsonl",
        json.dumps(record(utterance(0), utterance(1), utterance(2), harmful_utterance_id=[1, 9])),
    )
    (row,), (bad,) = parted(open_set("venus", file))
    assert [one["id"] for one in row.dialogue["utterances"]] == [0, 2]
    assert [one["position"] for one in row.dialogue["utterances"]] == [0, 2]
    assert (bad.reason, bad.key) == ("harmful utterance", "venus/abc/4/1")
    text(file, json.dumps(record(utterance(0), harmful_utterance_id=[0])))
    rows, bad = parted(open_set("venus", file))
    assert (rows, len(bad)) == ([], 1)


def test_keys_as_the_paper_prints_them(tmp_path):
    one = json.loads(
        json.dumps(record(utterance(0)))
        .replace("video_id", "Video ID")
        .replace("start_time", "Start time")
        .replace("conversation", "Conversation")
    )
    (row,), _ = parted(open_set("venus", text(tmp_path / "a.json", json.dumps(one))))
    assert row.dialogue["utterances"][0]["words"][1][1] == 1.0


def test_words_without_times_begin_where_the_one_before_ended(tmp_path):
    words = [
        {"word": "a", "start_time": None, "end_time": None},
        {"word": "b", "start_time": 0.5, "end_time": 0.75},
        {"word": "c"},
    ]
    file = text(tmp_path / "a.json", json.dumps(record(utterance(0, words=words))))
    (row,), _ = parted(open_set("venus", file))
    assert [w[1] for w in row.dialogue["utterances"][0]["words"]] == [0.0, 0.5, 0.75]


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"video_id": None}, "video_id is empty"),
        ({"conversation": "x"}, "neither a struct of lists"),
        ({"conversation": {"utterance_id": [1, 2], "text": ["a"]}}, "lists of lengths"),
        ({"conversation": [{"speaker": "A"}]}, "utterance_id None"),
        ({"conversation": [utterance(1), utterance(1)]}, "one utterance_id"),
        ({"conversation": [utterance(1, start_time=-1)]}, "lasts from -1"),
        ({"conversation": [utterance(1, end_time=1)]}, "lasts from 2 to 1"),
        ({"conversation": [utterance(1, end_time=1e6)]}, "seconds"),
        ({"conversation": [utterance(1, start_time="x")]}, "'x' is not a number"),
        ({"conversation": [utterance(1, face_codes=[512])]}, "face code 0 is 512"),
        ({"conversation": [utterance(1, body_codes=["a"])]}, "body_codes of utterance 1"),
        ({"conversation": [utterance(1, face_codes=[1, 2], face_frames=[0])]}, "2 codes for 1"),
        ({"facial_expression": [{"utt_id": "x"}]}, "utt_id 'x'"),
        ({"harmful_utterance_id": ["x"]}, "harmful_utterance_id 'x'"),
    ],
)
def test_an_unusable_record_is_named_and_the_next_goes_on(tmp_path, changes, part):
    good = json.dumps(record(utterance(0)))
    file = text(tmp_path / "a.jsonl", json.dumps(record(utterance(0), **{}) | changes), good)
    rows, bad = parted(open_set("venus", file))
    assert len(rows) == 1
    assert [one.where for one in bad] == [f"{file}, line 1"]
    assert part in bad[0].detail


def test_structural_errors(tmp_path):
    for content, message in (("{", "line 1: is not JSON"), ("[1]", "is not a record but int")):
        file = text(tmp_path / "a.jsonl", content)
        with pytest.raises(FaceLLMError, match=message):
            list(open_set("venus", file))
    with pytest.raises(FaceLLMError, match="split 'all'"):
        list(open_set("venus", file, {"split": "all"}))
    with pytest.raises(FaceLLMError, match=r"is none of \.parquet"):
        list(open_set("venus", text(tmp_path / "a.csv", "x")))
    (tmp_path / "none").mkdir()
    with pytest.raises(FaceLLMError, match="holds no"):
        list(open_set("venus", tmp_path / "none"))
    pq.write_table(pa.table({"video_id": ["a"]}), tmp_path / "b.parquet")
    with pytest.raises(FaceLLMError, match="no column 'segment_id'"):
        list(open_set("venus", tmp_path / "b.parquet"))
