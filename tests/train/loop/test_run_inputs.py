"""A run that goes on is told when what it learns from has changed."""

from dataclasses import replace

import pytest
from train_corpora import face_records, train_run, write_corpus

from facellm.errors import FaceLLMError
from facellm.train.loop import run_inputs
from facellm.train.loop.run_folder import RunFolder, record_of


@pytest.fixture
def run(tmp_path):
    corpus = write_corpus(tmp_path / "corpus", face_records(3, ("age",)))
    for name in ("own.npz", "start/model.safetensors", "encoder/checkpoint.pt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    given = train_run(corpus, teacher=str(tmp_path / "own.npz"))
    start, encoder = str(tmp_path / "start"), str(tmp_path / "encoder")
    return replace(given, model=replace(given.model, tokenizer="", start=start, encoder=encoder))


def opened(folder, run, *, resume):
    folder.path.mkdir(exist_ok=True)
    folder.open(record_of(run, 1), resume=resume)
    (folder.path / "checkpoint-000001").mkdir(exist_ok=True)


@pytest.mark.parametrize("name", ["own.npz", "start/model.safetensors", "encoder/checkpoint.pt"])
def test_a_changed_file_of_the_same_size_is_refused(run, tmp_path, name):
    folder = RunFolder(tmp_path / "run")
    opened(folder, run, resume=False)
    opened(folder, run, resume=True)
    (tmp_path / name).write_bytes(name[::-1].encode())
    with pytest.raises(
        FaceLLMError, match=rf"another config or data: inputs.*{name.split('/')[0]}"
    ):
        opened(folder, run, resume=True)


def test_a_corpus_built_anew_is_refused(run, tmp_path):
    folder = RunFolder(tmp_path / "run")
    opened(folder, run, resume=False)
    other = write_corpus(tmp_path / "other", face_records(4, ("age",)))
    (tmp_path / "corpus").rename(tmp_path / "was")
    other.rename(tmp_path / "corpus")
    with pytest.raises(FaceLLMError, match=r"another config or data: inputs.*/corpus was"):
        opened(folder, run, resume=True)


def test_a_large_file_is_read_in_stretches_from_end_to_end(tmp_path, monkeypatch):
    monkeypatch.setattr(run_inputs, "STRETCH", 4)
    monkeypatch.setattr(run_inputs, "STRETCHES", 3)
    file, seen = tmp_path / "x", set()
    for changed in (0, 49, 99, 20, None):
        data = bytearray(100)
        if changed is not None:
            data[changed] = 1
        file.write_bytes(data)
        seen.add(run_inputs.file_digest(file))
    assert len(seen) == 4  # both ends and the middle are seen, place 20 lies between
