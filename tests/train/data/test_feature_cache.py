"""Cached features: the tower's, computed once, whole or not there, never of one that learns."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from train_corpora import face_corpus, face_records, train_run

from facellm.checkpoint import load_checkpoint
from facellm.errors import FaceLLMError
from facellm.train.data import feature_cache
from facellm.train.data.feature_cache import FeatureCache
from facellm.train.data.stream import BatchStream


@pytest.fixture(scope="module")
def tiny(tiny_checkpoint):
    return load_checkpoint(tiny_checkpoint)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return face_corpus(tmp_path_factory.mktemp("cached"), face_records(7))


@pytest.fixture
def cached(made, tmp_path, monkeypatch):
    monkeypatch.setattr(feature_cache, "CHUNK", 3)
    return train_run(*made, features=str(tmp_path / "features"), landmarks_dropped=0.0)


def stream_of(run, tiny):
    features = FeatureCache(run, tiny.model.vision_tower, tiny.processor)
    return BatchStream(run, tiny.processor, features=features), features


def chunks(features):
    return sorted(path.stem for path in features.folder.glob("*.json"))


def test_features_are_the_towers_of_the_crops_that_pixels_would_show(cached, made, tiny):
    stream, features = stream_of(cached, tiny)
    plain = replace(cached, data=replace(cached.data, features="", augment=False))
    assert len(features) == 7
    assert len(chunks(features)) == 3
    for step in range(2):
        seen = BatchStream(plain, tiny.processor).micro_batches(step)
        for batch, shown in zip(stream.micro_batches(step), seen, strict=True):
            with torch.inference_mode():
                patches = tiny.model.vision_tower(shown.pixel_values)
            assert batch.pixel_values is None
            assert torch.allclose(batch.features, patches, rtol=1e-3, atol=1e-3)
            assert torch.equal(batch.landmarks, shown.landmarks)


def test_a_face_has_the_same_features_whatever_batch_it_is_computed_in(cached, tiny, monkeypatch):
    """In training mode batch norms would mix faces, and learn from them."""
    tower = tiny.model.vision_tower
    before = {name: value.clone() for name, value in tower.state_dict().items()}
    _, together = stream_of(cached, tiny)
    key = next(iter(together._place))
    tower.train()
    alone = replace(cached, data=replace(cached.data, features=cached.data.features + "-alone"))
    monkeypatch.setattr(feature_cache, "AT_ONCE", 1)
    _, other = stream_of(alone, tiny)
    assert torch.allclose(together.get([key])[0], other.get([key])[0], atol=2e-3)
    assert all(torch.equal(value, before[name]) for name, value in tower.state_dict().items())


def test_a_second_run_computes_nothing(cached, tiny, monkeypatch):
    first, _ = stream_of(cached, tiny)
    monkeypatch.setattr(tiny.model.vision_tower, "forward", None)
    second, _ = stream_of(cached, tiny)
    for one, two in zip(first.micro_batches(3), second.micro_batches(3), strict=True):
        assert torch.equal(one.features, two.features)


def test_a_chunk_without_its_list_of_keys_is_computed_again(cached, tiny):
    """The list is written last: a kill before it leaves arrays that count for nothing."""
    _, features = stream_of(cached, tiny)
    name = chunks(features)[1]
    (features.folder / f"{name}.json").unlink()
    (features.folder / f"{name}.npy").write_bytes(b"half of it")
    (features.folder / "x.npy.123.part").write_bytes(b"")
    fresh = FeatureCache(cached, tiny.model.vision_tower, tiny.processor)
    assert len(fresh) in (4, 6)
    again = BatchStream(cached, tiny.processor, features=fresh)
    assert len(fresh) == 7
    assert all(torch.isfinite(b.features).all() for b in again.micro_batches(0))


def test_another_tower_has_other_features(cached, tiny, new_model):
    _, features = stream_of(cached, tiny)
    other = new_model(tiny.processor).vision_tower
    with torch.no_grad():
        next(other.parameters()).add_(0.01)
    fresh = FeatureCache(cached, other, tiny.processor)
    assert fresh.folder != features.folder
    assert len(fresh) == 0


def test_the_order_of_the_corpora_does_not_matter(made, tiny, tmp_path):
    more = face_corpus(tmp_path / "more", face_records(2, source="second"))
    (made[1] / "second").mkdir(exist_ok=True)
    for file in (more[1] / "second").iterdir():
        (made[1] / "second" / file.name).write_bytes(file.read_bytes())
    run = train_run(*made, features=str(tmp_path / "f"))
    both = replace(run, data=replace(run.data, corpora=(str(more[0]), str(made[0]))))
    _, first = stream_of(run, tiny)
    _, then = stream_of(both, tiny)
    assert (len(first), len(then)) == (7, 9)


def test_a_tower_that_learns_is_refused(cached, tiny):
    learning = replace(cached, rates=replace(cached.rates, vision_tower=1e-4))
    with pytest.raises(FaceLLMError, match=r"rates.vision_tower is 0.0001: features of a tower"):
        FeatureCache(learning, tiny.model.vision_tower, tiny.processor)
    with pytest.raises(FaceLLMError, match="would be stale"):
        BatchStream(learning, tiny.processor)


def test_a_chunk_that_lacks_faces_is_named(cached, tiny):
    _, features = stream_of(cached, tiny)
    name = chunks(features)[0]
    np.save(features.folder / f"{name}.npy", np.zeros((5, 9, 64), np.float16))
    with pytest.raises(FaceLLMError, match=rf"{name}.json: [13] keys for 5 faces; remove it"):
        FeatureCache(cached, tiny.model.vision_tower, tiny.processor)


def test_features_that_overflow_float16_are_refused(cached, tiny, monkeypatch):
    tower = tiny.model.vision_tower
    forward = tower.forward
    monkeypatch.setattr(tower, "forward", lambda pixels: forward(pixels) * 1e6)
    with pytest.raises(FaceLLMError, match="do not fit in float16"):
        stream_of(cached, tiny)
