"""How vLLM is started."""

import json
import shutil
import sys
import tomllib
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from facellm.adapter_file import language_digest
from facellm.checkpoint import SHIPPED, load_checkpoint
from facellm.cli import resolve
from facellm.errors import FaceLLMError
from facellm.serve.plugin import register
from facellm.serve.vllm_command import VllmOptions, command, environment

PYTHON = Path(sys.executable)


def value(arguments: list[str], flag: str) -> str:
    """The last value of a flag, which counts."""
    places = [index for index, part in enumerate(arguments) if part == flag]
    return arguments[places[-1] + 1]


def test_strangers_reach_nothing_but_the_socket():
    found = command(PYTHON, SHIPPED, VllmOptions(faces=5))
    assert value(found, "--uds") == "{socket}"
    limits = json.loads(value(found, "--limit-mm-per-prompt"))
    assert limits == {"image": 5, "video": 0, "audio": 0}
    assert value(found, "--allowed-media-domains") == "gateway.invalid"
    assert value(found, "--max-model-len") == "2048"
    assert not {"--trust-remote-code", "--port", "--host", "--enable-log-requests"} & set(found)
    held = environment(PYTHON, VllmOptions())
    assert held["VLLM_MEDIA_URL_ALLOW_REDIRECTS"] == held["VLLM_SERVER_DEV_MODE"] == "0"
    assert held["VLLM_PLUGINS"] == "facellm"
    assert held["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == "0"


def test_a_cpu_computes_in_float32_and_a_gpu_in_bfloat16():
    on_cpu, on_gpu = (command(PYTHON, SHIPPED, VllmOptions(gpu=gpu)) for gpu in (False, True))
    assert value(on_cpu, "--dtype") == "float32"
    assert value(on_gpu, "--dtype") == "bfloat16"
    assert "--enforce-eager" in on_cpu
    assert "--enforce-eager" not in on_gpu
    assert "VLLM_CPU_KVCACHE_SPACE" not in environment(PYTHON, VllmOptions(gpu=True))


def test_openmp_is_preloaded_where_it_is_there(tmp_path):
    python = tmp_path / "bin" / "python"
    assert "LD_PRELOAD" not in environment(python, VllmOptions())
    (tmp_path / "lib").mkdir()
    library = tmp_path / "lib" / "libiomp5.so"
    library.touch()
    assert environment(python, VllmOptions())["LD_PRELOAD"] == str(library)


def test_a_users_flags_come_last():
    flags = ("--tensor-parallel-size", "2", "--dtype", "float16")
    found = command(PYTHON, SHIPPED, VllmOptions(extra=flags))
    assert tuple(found[-4:]) == flags


def test_an_adapter_is_served_beside_the_weights_own(tmp_path):
    mine = tmp_path / "mine"
    shutil.copytree(SHIPPED / "adapter", mine)
    found = command(PYTHON, SHIPPED, VllmOptions(adapters={"mine": mine}))
    place = found.index("--lora-modules")
    assert found[place + 1 :] == [f"mine={mine}", f"facellm={SHIPPED / 'adapter'}"]
    assert value(found, "--served-model-name") == "facellm-base"
    assert json.loads(value(found, "--hf-overrides")) == {"merge_adapter": False}
    assert value(found, "--max-lora-rank") == "16"


def test_an_adapter_trained_on_top_of_the_weights_own_leaves_it_merged(tmp_path):
    mine, digest = tmp_path / "mine", language_digest(load_checkpoint(SHIPPED).model)
    shutil.copytree(SHIPPED / "adapter", mine)
    file = mine / "adapter_model.safetensors"
    save_file(load_file(file), file, {"base_sha256": digest, "base_name": "shipped"})
    found = command(PYTHON, SHIPPED, VllmOptions(adapters={"mine": mine}))
    assert found[found.index("--lora-modules") + 1 :] == [f"mine={mine}"]
    assert value(found, "--served-model-name") == "facellm"
    assert "--hf-overrides" not in found
    both = {"mine": mine, "own": SHIPPED / "adapter"}
    with pytest.raises(FaceLLMError, match="serve them apart"):
        command(PYTHON, SHIPPED, VllmOptions(adapters=both))


def test_an_adapter_with_a_file_missing_is_named(tiny_checkpoint, tmp_path):
    mine = tmp_path / "mine"
    shutil.copytree(SHIPPED / "adapter", mine)
    (mine / "adapter_model.safetensors").unlink()
    with pytest.raises(FaceLLMError, match=r"adapter_model\.safetensors missing"):
        command(PYTHON, tiny_checkpoint, VllmOptions(adapters={"mine": mine}))


def test_an_adapter_of_another_base_is_refused(tiny_checkpoint, tmp_path):
    mine = tmp_path / "mine"
    shutil.copytree(SHIPPED / "adapter", mine)
    file = mine / "adapter_model.safetensors"
    save_file(load_file(file), file, {"base_sha256": "0" * 64, "base_name": "another"})
    with pytest.raises(FaceLLMError, match="an adapter of another"):
        command(PYTHON, tiny_checkpoint, VllmOptions(adapters={"mine": mine}))


@pytest.mark.parametrize("name", ["facellm", "facellm-base"])
def test_an_adapter_cannot_take_the_weights_name(name):
    with pytest.raises(FaceLLMError, match="cannot be called"):
        command(PYTHON, SHIPPED, VllmOptions(adapters={name: SHIPPED / "adapter"}))


def test_a_rank_vllm_does_not_take_is_named(tmp_path):
    mine = tmp_path / "mine"
    shutil.copytree(SHIPPED / "adapter", mine)
    config = json.loads((mine / "adapter_config.json").read_text()) | {"r": 1024}
    (mine / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(FaceLLMError, match="rank 1024, vLLM takes 512"):
        command(PYTHON, SHIPPED, VllmOptions(adapters={"mine": mine}))


def test_a_shorter_context_can_be_asked_for():
    found = command(PYTHON, SHIPPED, VllmOptions(context=512))
    assert value(found, "--max-model-len") == "512"


def test_weights_in_several_files_are_weights(tmp_path):
    folder = tmp_path / "weights"
    shutil.copytree(SHIPPED, folder)
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text("{}")
    assert str(folder) in command(PYTHON, folder, VllmOptions())
    (folder / "landmarks.safetensors").unlink()
    with pytest.raises(FaceLLMError, match=r"checkpoint, landmarks\.safetensors missing"):
        command(PYTHON, folder, VllmOptions())


def test_a_folder_without_weights_is_refused(tmp_path):
    with pytest.raises(FaceLLMError, match="not a facellm checkpoint"):
        command(PYTHON, tmp_path, VllmOptions())


def test_the_plugin_is_an_entry_point_of_vllms_group():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    place = project["entry-points"]["vllm.general_plugins"]["facellm"]
    assert resolve(place) is register
