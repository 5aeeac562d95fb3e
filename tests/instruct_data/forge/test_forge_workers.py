"""Processes that make parts: all parts once, and no failure without its words."""

import os
from functools import partial
from pkgutil import resolve_name

import pytest

from facellm.errors import FaceLLMError
from facellm.instruct_data.forge.workers import make_parts


def test_every_part_is_made_once_and_threads_are_given_back(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    start = partial(resolve_name, "math:sqrt")  # picklable; gives what takes a number
    assert sorted(make_parts(start, [4, 9, 1, 0, 7], 2)) == [0, 1, 4, 7, 9]
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ
    assert list(make_parts(start, [], 2)) == []


def test_an_error_of_the_system_is_told_in_its_words():
    with pytest.raises(FaceLLMError, match="Bad file descriptor"):
        list(make_parts(partial(resolve_name, "os:close"), [9999], 1))


def test_a_process_that_dies_without_a_word_is_noticed():
    with pytest.raises(FaceLLMError, match="ended with code 3"):
        list(make_parts(partial(os._exit, 3), [0, 1], 2))
