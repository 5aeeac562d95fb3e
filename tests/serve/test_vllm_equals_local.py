"""vLLM, really run, says what the local engine says: same tokens, same readings, in float32.

Each module-wide fixture starts one vLLM process; they are skipped where vLLM is not set up.
"""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small_bases import save_clip, save_qwen
from vllm_jobs import Job, reading_of, serve_python

from facellm.bases import from_bases
from facellm.checkpoint import SHIPPED, load_checkpoint, save_checkpoint
from facellm.readout import Calibration

pytestmark = pytest.mark.slow

FACE, MIRRORED, WALL, DARK = range(4)
QUESTIONS = (
    "What expression does this face show?",
    "How old is this person?",
    "Describe the face.",
    "Which action units are active?",
    "Is the mouth open?",
    "Why?",
    "Is this picture generated?",
)
WITHOUT_FACE = ("Hello?", "How old is she?", "Who is this?", "What is the capital of France?")
TOLERANCE = 1e-3  # of a log-probability


def astronaut_crops(size: int) -> np.ndarray:
    """A face, its mirror image, a grey wall and the face in the dark."""
    from skimage.data import astronaut

    from facellm.face import Square, crop_image

    face = crop_image(astronaut(), Square(150.0, 40.0, 150.0), size)
    return np.stack([face, face[:, ::-1], np.full_like(face, 120), face // 3])


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    serve_python()
    checkpoint = load_checkpoint(SHIPPED)
    job = Job(checkpoint, astronaut_crops(checkpoint.processor.crop_size))
    job.arguments["block_size"] = 32
    for face in (FACE, MIRRORED, WALL, DARK):
        job.read(face)
    for question in WITHOUT_FACE:
        job.ask([], question)
    for question in QUESTIONS:
        job.ask([FACE], question)
        job.ask([MIRRORED, FACE], question)
    for question in QUESTIONS[:4]:
        job.ask([WALL], question)
    job.ask([FACE], QUESTIONS[0])
    job.ask([DARK], QUESTIONS[0])
    found = job.run(tmp_path_factory.mktemp("shipped"))
    return SimpleNamespace(job=job, found=found)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory, tiny_checkpoint):
    """A small Qwen2 with a small CLIP tower, and a LoRA adapter beside it."""
    from peft import LoraConfig, get_peft_model

    from facellm.model import LORA_TARGETS

    serve_python()
    work = tmp_path_factory.mktemp("foreign")
    save_clip(work / "clip")
    # vLLM attends on a CPU with heads of 32 and more.
    save_qwen(work / "qwen", tied=False, hidden_size=128)
    torch.manual_seed(7)
    model, processor = from_bases(work / "clip", work / "qwen")
    model.region_attention.gate.data.fill_(1.0)
    landmarks = tiny_checkpoint / "landmarks.safetensors"
    save_checkpoint(work / "model", model, processor, landmarks, Calibration())
    checkpoint = load_checkpoint(work / "model")
    config = LoraConfig(r=8, lora_alpha=16, target_modules=LORA_TARGETS)
    adapted = get_peft_model(load_checkpoint(work / "model").model, config)
    for name, weight in adapted.named_parameters():
        if ".lora_B." in name:
            torch.nn.init.normal_(weight, std=0.3)
    adapted.save_pretrained(work / "mine")
    merged = adapted.merge_and_unload().eval()
    job = Job(checkpoint, astronaut_crops(32))
    job.arguments |= {"enable_lora": True, "max_lora_rank": 8}
    for adapter, local in ((None, None), (work / "mine", merged)):
        job.read(FACE, adapter, local)
        for faces in ([], [FACE], [MIRRORED, FACE]):
            job.ask(faces, QUESTIONS[0], adapter, local)
    return SimpleNamespace(job=job, found=job.run(work))


def check_tokens(run: SimpleNamespace) -> int:
    """Every prompt and every answer equals the local one; how many there are."""
    end = run.job.checkpoint.processor.token_id("<|end|>")
    pairs = [
        (wanted, found)
        for wanted, found in zip(run.job.wanted, run.found, strict=True)
        if isinstance(wanted, tuple)
    ]
    for (prompt, tokens), found in pairs:
        assert found["prompt"] == prompt
        assert [token for token in found["tokens"] if token != end] == tokens
    return len(pairs)


def check_readings(run: SimpleNamespace) -> float:
    """The largest difference of a log-probability, all labels of all readings."""
    differences = [
        np.abs(got - table).max()
        for wanted, found in zip(run.job.wanted, run.found, strict=True)
        if isinstance(wanted, list)
        for got, table in zip(reading_of(found), wanted, strict=True)
    ]
    assert differences
    return max(differences)


def test_shipped_weights_write_the_local_tokens(shipped):
    assert check_tokens(shipped) >= 20


def test_shipped_weights_read_the_local_log_probabilities(shipped):
    assert check_readings(shipped) < TOLERANCE


def test_landmarks_are_missing_in_one_of_the_prompts(shipped):
    parts = shipped.job.parts([FACE, WALL])
    assert [bool(np.isfinite(part.landmarks_unit).all()) for part in parts] == [True, False]


def test_the_same_face_is_remembered_and_another_is_not(shipped):
    again, other = shipped.found[-2:]
    assert again["cached"] >= 32
    assert other["cached"] == 0


def test_a_foreign_base_writes_the_local_tokens_with_and_without_an_adapter(foreign):
    assert check_tokens(foreign) == 6
    half = len(foreign.found) // 2
    plain, adapted = foreign.found[:half], foreign.found[half:]
    assert [one["tokens"] for one in plain] != [one["tokens"] for one in adapted]


def test_a_foreign_base_reads_the_local_log_probabilities_with_and_without_an_adapter(foreign):
    assert check_readings(foreign) < TOLERANCE
    first, *_, second = (w for w in foreign.job.wanted if isinstance(w, list))
    assert np.abs(first[0] - second[0]).max() > 10 * TOLERANCE
