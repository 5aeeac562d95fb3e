"""Class prompts never lose their end token; with open_clip's tokenizer where it is installed."""

import importlib.util

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facellm.errors import FaceLLMError
from facellm.instruct_data.tracks import class_prompt
from facellm.instruct_data.tracks.academic import check_prompts, default_behaviours
from facellm.instruct_data.tracks.class_prompt import ClassPrompt, ClipTokenizer, clip_tokenizer

WORDS = ClipTokenizer(lambda text: [len(word) + 10 for word in text.split()], start=1, end=2)
needs_clip = pytest.mark.skipif(
    importlib.util.find_spec("open_clip") is None, reason="open_clip_torch is not installed"
)


@given(st.integers(1, 120), st.integers(1, 20))
def test_the_end_is_inside_or_there_is_an_error(words, context):
    prompt = ClassPrompt("c", (" ".join("word" for _ in range(words)),), context)
    if 1 + context + words + 1 > 77:
        with pytest.raises(FaceLLMError, match=f"'c': {words} tokens .* {2 + context + words}"):
            prompt.ids(WORDS)
        return
    ids = prompt.ids(WORDS)
    assert len(ids.ids) == 77
    assert ids.ids[ids.end] == 2
    assert ids.ids.count(2) == 1
    assert set(ids.ids[ids.end + 1 :]) <= {0}
    assert ids.ids[ids.context] == (11,) * context
    assert ids.ids[0] == 1


def test_sixty_seven_tokens_are_the_bound_with_eight_learnt_ones():
    assert ClassPrompt("c", (" ".join("w" * 67),)).ids(WORDS).end == 76
    with pytest.raises(FaceLLMError, match="78 places"):
        ClassPrompt("c", (" ".join("w" * 68),)).ids(WORDS)


def test_without_open_clip_the_message_says_how_to_install_it(monkeypatch):
    clip_tokenizer.cache_clear()
    monkeypatch.setattr(class_prompt.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FaceLLMError, match="pip install --no-deps open_clip_torch"):
        clip_tokenizer()


@needs_clip
def test_our_descriptors_fit_with_the_real_tokenizer():
    clip_tokenizer.cache_clear()
    check_prompts(default_behaviours())
    ids = next(iter(default_behaviours().values())).prompt().ids()
    assert (ids.ids[0], ids.ids[ids.end]) == (49406, 49407)
    assert ids.ids[ids.context] == (343,) * 8  # "x</w>" of the packaged vocabulary
    long = ClassPrompt("long", ("a phrase that goes on",) * 20)
    with pytest.raises(FaceLLMError, match="class 'long'"):
        long.ids()
