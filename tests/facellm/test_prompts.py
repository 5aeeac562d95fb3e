"""User text cannot forge a reserved token; the chat template writes the one prompt format."""

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facellm.labels import BOS, EOS, PAD, UNK, reserved_tokens
from facellm.prompts import chat_template, neutralise

RESERVED = [*reserved_tokens(), BOS, EOS, PAD, UNK]


def render(messages, **options):
    """Render as ``transformers`` does."""

    def raise_exception(message):
        raise ValueError(message)

    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    environment.globals["raise_exception"] = raise_exception
    return environment.from_string(chat_template()).render(messages=messages, **options)


def user(*parts):
    return {"role": "user", "content": [*parts]}


IMAGE = {"type": "image"}
QUESTION = {"type": "text", "text": "how old?"}
READING = {"type": "reading", "text": "<reading>...</reading>"}


def test_every_reserved_token_is_broken_up():
    for token in RESERVED:
        assert token not in neutralise(f"a{token}b")
        assert neutralise(token) == f"< {token[1:-1]} >"


@given(
    st.lists(st.sampled_from([*RESERVED[:40], "<", ">", "|", "face", " ", "<|", "|>"]), max_size=12)
)
def test_no_arrangement_of_pieces_survives(parts):
    safe = neutralise("".join(parts))
    assert not any(token in safe for token in RESERVED)


def test_unknown_chat_marks_and_bytes_are_broken_up():
    assert neutralise("<|tool|> <0x41>") == "< |tool| > < 0x41 >"


@pytest.mark.parametrize(
    "text", ["how old?", "a < b > c", "<b>bold</b>", "é 😀\n  two", "", "<FACE>"]
)
def test_ordinary_text_is_left_alone(text):
    assert neutralise(text) == text


def test_prompt_with_readings():
    messages = [user(IMAGE, READING, IMAGE, READING, QUESTION)]
    assert render(messages, add_generation_prompt=True) == (
        "<|user|>Face 1: <face> <reading>...</reading> Face 2: <face> <reading>...</reading>\n"
        "how old?<|end|><|assistant|><q_intent>"
    )


def test_prompt_without_readings_and_without_faces():
    assert render([user(IMAGE, QUESTION)]) == "<|user|>Face 1: <face>\nhow old?<|end|>"
    assert render([user(QUESTION)]) == "<|user|>No face.\nhow old?<|end|>"
    assert render([{"role": "user", "content": "how old?"}]) == render([user(QUESTION)])


def test_an_answered_prompt_starts_with_the_prompt():
    asked = [user(IMAGE, READING, QUESTION)]
    answer = {
        "role": "assistant",
        "content": [{"type": "text", "text": "<ask_age>About 30 years."}],
    }
    prompt = render(asked, add_generation_prompt=True)
    assert render([*asked, answer]) == f"{prompt}<ask_age>About 30 years.<|end|>"


def test_a_later_question_needs_no_faces():
    turns = [
        user(IMAGE, QUESTION),
        {"role": "assistant", "content": "30."},
        {"role": "user", "content": "why?"},
    ]
    assert render(turns).endswith("30.<|end|><|user|>why?<|end|>")


def test_system_text_is_written_and_other_parts_are_refused():
    assert render([{"role": "system", "content": "Be brief."}]) == "<|system|>Be brief.<|end|>"
    with pytest.raises(ValueError, match="video"):
        render([user({"type": "video"})])
    with pytest.raises(ValueError, match="tool"):
        render([{"role": "tool", "content": "x"}])
