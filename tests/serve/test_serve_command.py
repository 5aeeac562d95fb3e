"""``facellm serve``: what it refuses to start with, which engine it takes and what it says."""

import asyncio
import os
import signal

import pytest

from facellm.cli import main
from facellm.errors import FaceLLMError
from facellm.serve import serve_command, setup_environment
from facellm.serve.gateway.settings import LOOPBACK
from facellm.serve.serve_command import choose_engine, new_serve_parser, settings_of
from facellm.serve.server import greeting, started


def settings(*words):
    return settings_of(new_serve_parser().parse_args(list(words)))


@pytest.fixture(autouse=True)
def _no_keys_around(monkeypatch):
    monkeypatch.delenv(serve_command.KEYS_VARIABLE, raising=False)


def test_other_machines_are_let_in_with_keys_or_on_ones_word_only():
    for host in ("0.0.0.0", "192.168.1.4", "::", "example.com"):
        with pytest.raises(FaceLLMError, match="--insecure"):
            settings("--host", host)
        assert settings("--host", host, "--insecure").hosts is None
        assert settings("--host", host, "--api-key", "a-long-key").keys == ("a-long-key",)
    for host in ("127.0.0.1", "127.8.8.8", "::1", "localhost"):
        assert settings("--host", host).hosts == LOOPBACK


def test_keys_come_from_arguments_file_and_environment(tmp_path, monkeypatch):
    file = tmp_path / "keys.txt"
    file.write_text("# of the clinic\nfrom-the-file\n\n  second-of-it  \n")
    monkeypatch.setenv(serve_command.KEYS_VARIABLE, "from-outside,second-outside")
    found = settings("--api-key", "typed-one", "--api-key-file", str(file)).keys
    assert found == (
        "typed-one", "from-outside", "second-outside", "from-the-file", "second-of-it"
    )  # fmt: skip
    file.write_text("\n")
    with pytest.raises(FaceLLMError, match="holds no key"):
        settings("--api-key-file", str(file))
    with pytest.raises(FaceLLMError, match="cannot be read"):
        settings("--api-key-file", str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--port", "99999"], "0 to 65535"),
        (["--running", "0"], "--running 0"),
        (["--deadline", "0"], "--deadline 0"),
        (["--queue", "-1"], "--queue -1"),
        (["--engine", "onnx"], "invalid choice"),
        (["--model", "nowhere"], "not a facellm checkpoint"),
    ],
)
def test_wrong_arguments_are_told_in_a_line(capsys, words, told):
    assert main(["serve", *words]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("option", [["--rate", "often"], ["--api-key", "short"]])
def test_a_rate_and_keys_are_checked_before_it_listens(tiny_checkpoint, capsys, option):
    assert main(["serve", "--engine", "local", "--model", str(tiny_checkpoint), *option]) == 2
    assert option[1] in (error := capsys.readouterr().err) or "at least 8" in error


def test_the_engine_is_chosen_and_the_choice_explained(tiny_checkpoint, monkeypatch):
    from facellm.serve.sight import load_sight

    def given(*words):
        words = [*words, "--model", str(tiny_checkpoint)]
        return choose_engine(new_serve_parser().parse_args(words), [], sight)

    def missing(*_):
        raise FaceLLMError("its environment is not there")

    sight = load_sight(tiny_checkpoint)
    engine, why = given("--engine", "local")
    assert (engine.name, why) == ("local", "as asked for")
    monkeypatch.setattr(serve_command, "vllm_engine", lambda *_: "the vLLM engine")
    assert given()[0] == given("--engine", "vllm")[0] == "the vLLM engine"
    monkeypatch.setattr(serve_command, "vllm_engine", missing)
    engine, why = given()
    assert (engine.name, why) == ("local", "no vLLM: its environment is not there")
    with pytest.raises(FaceLLMError, match="--engine vllm: its environment is not there"):
        given("--engine", "vllm")


def test_vllm_that_is_not_set_up_is_told_once_with_what_to_do(
    tiny_checkpoint, monkeypatch, tmp_path, capsys
):
    monkeypatch.delenv(setup_environment.VARIABLE, raising=False)
    monkeypatch.setattr(setup_environment, "default_folder", lambda: tmp_path)
    assert main(["serve", "--engine", "vllm", "--model", str(tiny_checkpoint)]) == 2
    error = capsys.readouterr().err
    assert error.count("facellm serve --setup") == 1
    monkeypatch.setenv(setup_environment.VARIABLE, str(tmp_path / "none"))
    assert main(["serve", "--engine", "vllm", "--model", str(tiny_checkpoint)]) == 2
    assert "which is no file" in capsys.readouterr().err


def test_what_comes_after_two_dashes_is_for_vllm():
    args, passed = serve_command.split_arguments(["--port", "1", "--", "--port", "2"])
    assert (args.port, passed) == (1, ["--port", "2"])


@pytest.mark.parametrize(
    ("words", "given"), [([], []), (["--gpu", "--", "--dry-run"], ["--gpu", "--dry-run"])]
)
def test_setup_is_told_of_the_gpu_and_of_what_comes_after_two_dashes(monkeypatch, words, given):
    told = []
    monkeypatch.setattr(setup_environment, "main", lambda argv: told.append(argv) or 0)
    assert main(["serve", "--setup", *words]) == 0
    assert told == [given]


def test_the_greeting_says_how_to_ask():
    text = greeting("http://127.0.0.1:8000", keys=True)
    assert "--server http://127.0.0.1:8000 --api-key KEY" in text
    assert "Bearer" in text
    assert "Bearer" not in greeting("http://127.0.0.1:8000", keys=False)


def test_a_server_that_is_told_to_end_while_it_starts_ends_what_was_started():
    class SlowHouse:
        ended = False

        async def start(self):
            try:
                await asyncio.sleep(30)
            finally:
                self.ended = True

    async def story():
        asyncio.get_running_loop().call_later(0.1, os.kill, os.getpid(), signal.SIGTERM)
        return await asyncio.wait_for(started(house), 10)

    house = SlowHouse()
    assert asyncio.run(story()) is False
    assert house.ended
