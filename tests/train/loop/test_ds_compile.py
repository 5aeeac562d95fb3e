"""What DeepSpeed is about to compile is told; a lock of a killed build stops the run."""

import builtins

import pytest

from facellm.errors import FaceLLMError
from facellm.train.loop import ds_compile, ds_engine


@pytest.fixture
def extension(tmp_path, monkeypatch):
    """Folder of an extension ``adam``; nothing of it is built."""
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    folder = ds_compile.extension_folder("adam")
    folder.mkdir(parents=True, exist_ok=True)
    assert folder.is_relative_to(tmp_path)
    return folder


def told(name="adam"):
    lines = []
    ds_compile.check_extension(name, lines.append)
    return lines


def test_a_compilation_is_told_with_its_place(extension):
    (line,) = told()
    assert f"compiles adam into {extension}" in line


def test_what_is_built_needs_no_word(extension):
    (extension / "adam.so").write_bytes(b"")
    assert told() == []


def test_a_lock_nobody_holds_stops_the_run_and_says_what_to_delete(extension):
    (extension / "lock").write_bytes(b"")
    with pytest.raises(FaceLLMError, match=rf"rm {extension / 'lock'}"):
        told()


def test_a_lock_of_a_build_at_work_is_told(extension):
    with (extension / "lock").open("wb"):
        (line,) = told()
    assert "waits for another process that compiles adam" in line


def test_every_extension_of_deepspeed_is_checked(extension):
    """Its own loader goes through the check; it is its own again afterwards."""
    builder = pytest.importorskip("deepspeed.ops.op_builder.builder").OpBuilder
    (extension / "lock").write_bytes(b"")
    own = builder.jit_load

    class Adam:
        name = "adam"

    with (
        ds_compile.compiling_told(print),
        pytest.raises(FaceLLMError, match="left by a compilation that was killed"),
    ):
        builder.jit_load(Adam())
    assert builder.jit_load is own


def test_a_missing_deepspeed_comes_with_the_command(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.partition(".")[0] == "deepspeed":
            raise ModuleNotFoundError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(FaceLLMError, match=r"pip install 'facellm\[deepspeed\]'"):
        ds_engine.deepspeed_module()
