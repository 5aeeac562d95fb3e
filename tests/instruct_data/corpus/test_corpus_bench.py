"""The bench measures what it says."""

import json
from itertools import islice

import pytest
from corpus_toys import toy_config
from shared_data import DATA, needs

from facellm.instruct_data.corpus.bench import child_peak, left_out, limited, main, rate, writing
from facellm.instruct_data.corpus.bench_blur import SIGMAS, faces_of, measured
from facellm.instruct_data.corpus.bench_synthetic import child, own_peak, seconds, synthetic_config
from facellm.instruct_data.corpus.build import build
from facellm.instruct_data.corpus.folder import CorpusFolder
from facellm.instruct_data.corpus.shards import read_shards

TOYS = """\
sources: [{reader: "corpus_toys:read_toys", path: toys, faces: none}]
annotators: ["corpus_toys:LabelAnnotator"]
pictures: {least_side: 8, least_face: 1}
"""


def test_a_rate_is_rows_over_seconds(tmp_path):
    slow = rate(toy_config(rows=6, pause=0.1), tmp_path, "none", 1)
    assert slow["rows"] == 6
    assert 5 < slow["rows_per_second"] < 60
    assert slow["records_per_second"] == pytest.approx(2 * slow["rows_per_second"], rel=0.1)


def test_both_writers_get_the_same_records(tmp_path):
    pytest.importorskip("datasets", reason="optional: datasets is not installed")
    build(toy_config(), tmp_path / "out", data=tmp_path)
    figures = writing(list(read_shards(CorpusFolder(tmp_path / "out"))), 1)
    assert figures["records"] == 36
    assert figures["ratio"] == pytest.approx(
        figures["ours_per_second"] / figures["datasets_per_second"], rel=0.1
    )


def test_synthetic_rows_become_records(tmp_path):
    counts = build(synthetic_config(30), tmp_path / "out", data=tmp_path)
    assert (counts["rows"], counts["records"]) == (30, 30)
    assert child(10) > 10_000  # KB
    assert seconds(lambda out: out.mkdir()) > 0


def test_what_is_left_out_is_a_share_of_all_rows(tmp_path):
    counts = build(toy_config(rows=20), tmp_path / "out", data=tmp_path)
    assert left_out(counts) == {
        "rows": 20,
        "records": 36,
        "share": 0.1,
        "share_by_reason": {"decode: unreadable picture": 0.1},
        "rows_by_source": {"toys": 2},
    }
    few = build(limited(toy_config(rows=20), 5), tmp_path / "few", data=tmp_path)
    assert few["rows"] == 5


def test_a_peak_is_the_childs_own():
    """On Linux ``ru_maxrss`` of a child begins with what its parent held."""
    held = bytearray(700 << 20)
    assert own_peak() > len(held) >> 10
    assert 10_000 < child_peak(300, "search") < len(held) >> 10


def test_the_figures_are_written_as_json(tmp_path, monkeypatch):
    pytest.importorskip("datasets", reason="optional: datasets is not installed")
    monkeypatch.setattr("facellm.instruct_data.corpus.bench.child_peak", lambda rows: 2 * rows)
    monkeypatch.setattr("facellm.instruct_data.corpus.bench.MODES", ("none",))
    (tmp_path / "toys.yaml").write_text(TOYS)
    arguments = ["--config", str(tmp_path / "toys.yaml"), "--data", str(tmp_path)]
    arguments += ["--parts", "rates", "writing", "memory"]
    main([*arguments, "--rows", "8", "--repeats", "1", "-o", str(tmp_path / "f.json")])
    figures = json.loads((tmp_path / "f.json").read_text())
    assert set(figures) == {"rates", "writing", "memory"}
    assert figures["memory"]["growth_bytes_per_row"] == 2048


@needs("real_vs_stylegan2.parquet")
def test_the_more_a_face_is_blurred_the_less_sharp_it_is():
    (picture, face), *_ = islice(
        faces_of("real_vs_stylegan2", DATA / "real_vs_stylegan2.parquet", 400), 1
    )
    values = measured(picture, face)
    assert values == sorted(values, reverse=True)
    assert len(values) == len(SIGMAS)
