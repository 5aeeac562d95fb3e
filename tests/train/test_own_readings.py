"""Own readings: every lone face once, with its corpus's quality, and nothing lost at the end."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from train_corpora import face, face_corpus, face_records, write_corpus

from facellm.checkpoint import LANDMARKS, SHIPPED
from facellm.errors import FaceLLMError
from facellm.geometry import Geometry
from facellm.instruct_data.corpus.record import ImageRef
from facellm.train.default_model import new_processor
from facellm.train.encoder import CHECKPOINT, EncoderTrainee, trained_encoder
from facellm.train.own_readings import faces_of, main, opened, read_all
from facellm.train.run_sections import DataConfig


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return EncoderTrainee().eval()


def data_of(*corpora, pictures=""):
    return DataConfig(tuple(map(str, corpora)), pictures=str(pictures), workers=0)


def test_faces_without_a_label_are_read_too_with_their_own_quality(
    tmp_path, encoder, tiny_checkpoint
):
    one, two, three = (r for r in face_records(3, ("age",)))
    records = [
        one,
        replace(two, labels={}),
        replace(three, faces=(face(False),)),  # not located
        replace(one, id="again", task="limits"),
        replace(one, id="pair", faces=(face(), face())),
    ]
    corpus, pictures = face_corpus(tmp_path, records)
    geometry = Geometry.load(SHIPPED / LANDMARKS)
    stored = read_all(
        data_of(corpus, pictures=pictures), encoder, geometry, new_processor(tiny_checkpoint)
    )
    assert list(stored.keys) == [f"made-up/{n}.png@0" for n in range(3)]
    assert stored.measured("made-up/1.png@0").quality == pytest.approx(0.9)
    assert stored.measured("made-up/2.png@0") is None
    for share in stored.shares:
        np.testing.assert_allclose(share.astype(float).sum(1), 1, atol=0.01)


def test_a_corpus_without_a_validation_split_is_read(tmp_path):
    corpus = write_corpus(tmp_path / "c", face_records(2, ("age",)))
    assert len(list(faces_of(opened(data_of(corpus))))) == 2


def test_faces_of_which_none_is_located_are_stored(tmp_path, encoder, tiny_checkpoint):
    records = [replace(r, faces=(face(False),)) for r in face_records(2, ("age",))]
    corpus, pictures = face_corpus(tmp_path, records)
    geometry = Geometry.load(SHIPPED / LANDMARKS)
    data = data_of(corpus, pictures=pictures)
    stored = read_all(data, encoder, geometry, new_processor(tiny_checkpoint))
    stored.save(tmp_path / "own.npz")
    assert np.isnan(stored.pose).all()


def test_one_path_for_two_pictures_is_told_before_any_is_read(tmp_path):
    (record,) = face_records(1, ("age",))
    one, two = (
        write_corpus(tmp_path / name, [replace(record, images=(ImageRef("x.png", name.encode()),))])
        for name in ("a", "b")
    )
    with pytest.raises(FaceLLMError, match=r"x.png stands for another face in .*/a; store each"):
        list(faces_of(opened(data_of(one, two))))
    assert len(list(faces_of(opened(data_of(one, one))))) == 1


@pytest.mark.parametrize("content", [{"averaged": {"x": torch.ones(1)}}, {"step": 1}, b"no zip"])
def test_an_encoder_that_does_not_fit_is_told_in_words(tmp_path, capsys, content, tiny_checkpoint):
    file = tmp_path / CHECKPOINT
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        torch.save(content, file)
    with pytest.raises(FaceLLMError, match=r"checkpoint\.pt: no encoder of this version"):
        trained_encoder(tmp_path)
    given = ["--corpora", "c", "--landmarks", str(SHIPPED / LANDMARKS), "--out", "o"]
    given += ["--encoder", str(tmp_path), "--tokenizer", str(tiny_checkpoint)]
    assert main(given) == 2
    assert "no encoder of this version" in capsys.readouterr().err
    assert main([*given, "--limit", "-1"]) == 2
