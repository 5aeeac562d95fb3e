"""How vLLM is started: arguments and environment of the child process.

Everything that faces a stranger is narrowed: a unix socket only, data URIs only, counts and sizes
bounded, no code from a checkpoint, no other plugin, no adapters loaded at run time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from facellm.adapter_file import (
    ADAPTER,
    ADAPTER_CONFIG,
    check_base,
    folder_language_digest,
    language_digest,
    replaces_own,
)
from facellm.checkpoint import CONFIG, NEEDED, WEIGHTS, check_config, load_checkpoint
from facellm.errors import FaceLLMError

from .server_process import SOCKET
from .vllm_requests import N_LABELS

MODEL = "facellm"  # name of the weights, their own adapter included
BASE = "facellm-base"  # of the weights without it, where adapters are given
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # that vLLM allocates
SHARDS = "model.safetensors.index.json"  # of weights in several files
BLOCK = 32  # tokens of a cache block on a CPU: vLLM's 128 is longer than most of our prompts
INTENTS = "facellm.serve.vllm_intents:Intents"
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "PYTHONSAFEPATH": "1",  # a checkout one happens to stand in is not where packages are found
    "TOKENIZERS_PARALLELISM": "false",
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "0",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_MAX_IMAGE_PIXELS": "25000000",
    "VLLM_MAX_MEDIA_DOWNLOAD_SIZE_MB": "10",
    "VLLM_MAX_N_SEQUENCES": "4",
    "VLLM_MEDIA_URL_ALLOW_REDIRECTS": "0",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_PLUGINS": "facellm",
    "VLLM_SERVER_DEV_MODE": "0",
    "VLLM_USE_V2_MODEL_RUNNER": "0",  # the second one lacks our form of logits processor
}


@dataclass(frozen=True)
class VllmOptions:
    """What a user decides.

    Attributes:
        gpu: On a GPU; otherwise on the CPU.
        dtype: ``float32`` or ``bfloat16``; None is float32 on a CPU, where readings are then those
            of the local engine, and bfloat16 on a GPU.
        faces: Most faces of a prompt.
        together: Most requests that are worked on at a time.
        context: Most tokens of a prompt and its answer, where the weights take more.
        cache_gb: Key-value cache on a CPU, GiB.
        adapters: Name -> folder of a PEFT adapter trained on the base of these weights.
        extra: Flags handed to ``vllm serve`` as they are: ``("--tensor-parallel-size", "2")``.
    """

    gpu: bool = False
    dtype: str | None = None
    faces: int = 16
    together: int = 32
    context: int = 8192
    cache_gb: int = 1
    adapters: Mapping[str, Path] = field(default_factory=dict)
    extra: tuple[str, ...] = ()


def command(python: Path, folder: Path, options: VllmOptions) -> list[str]:
    """Arguments of the child process; ``{socket}`` stands for its socket.

    Raises:
        FaceLLMError: If the folder is no checkpoint, or an adapter none of its base.
    """
    longest = context_length(folder, options)
    limits = {"image": options.faces, "video": 0, "audio": 0}
    fixed = {
        "--uds": SOCKET,
        "--dtype": options.dtype or ("bfloat16" if options.gpu else "float32"),
        "--generation-config": "vllm",  # nothing is sampled otherwise than the request says
        "--max-model-len": str(longest),
        "--max-num-batched-tokens": str(max(longest, 4096)),
        "--max-num-seqs": str(options.together),
        "--max-logprobs": str(N_LABELS),
        "--limit-mm-per-prompt": json.dumps(limits),
        "--allowed-media-domains": "gateway.invalid",
        "--logits-processors": INTENTS,
        "--uvicorn-log-level": "warning",
        "--served-model-name": MODEL,
    }
    switches = [
        "--enable-scale-out",
        "--no-enable-chunked-prefill",  # a reading's query tokens have to come in one piece
        "--enable-prefix-caching",
        "--disable-fastapi-docs",
        "--disable-log-stats",
        "--disable-uvicorn-access-log",
    ]
    if not options.gpu:
        switches.append("--enforce-eager")
        fixed["--block-size"] = str(BLOCK)
    flags = [part for pair in fixed.items() for part in pair]
    start = [str(python), "-m", "vllm.entrypoints.cli.main", "serve", str(folder)]
    return [*start, *flags, *switches, *adapter_flags(folder, options.adapters), *options.extra]


def environment(python: Path, options: VllmOptions) -> dict[str, str]:
    """What the child's environment holds beside ours."""
    found = dict(ENVIRONMENT)
    if not options.gpu:
        found["VLLM_CPU_KVCACHE_SPACE"] = str(options.cache_gb)
        openmp = python.parent.parent / "lib" / "libiomp5.so"
        if openmp.is_file():
            found["LD_PRELOAD"] = str(openmp)
    return found


def context_length(folder: Path, options: VllmOptions) -> int:
    """Most tokens of a prompt and its answer.

    Raises:
        FaceLLMError: If the folder is no checkpoint.
    """
    missing = {name for name in NEEDED if not (folder / name).is_file()}
    if (folder / SHARDS).is_file():
        missing.discard(WEIGHTS)
    if missing:
        raise FaceLLMError(
            f"{folder}: not a facellm checkpoint, {', '.join(sorted(missing))} missing"
        )
    check_config(folder / CONFIG)
    found = json.loads((folder / CONFIG).read_text())["text_config"].get("max_position_embeddings")
    if not isinstance(found, int) or found < 1:
        raise FaceLLMError(f"{folder / CONFIG}: text_config.max_position_embeddings is {found!r}")
    return min(found, options.context)


def adapter_flags(folder: Path, adapters: Mapping[str, Path]) -> list[str]:
    """Flags that serve adapters beside the weights; none where there are none.

    The weights' own adapter is merged as a rule. Where adapters stand in for it
    (``adapter_file.replaces_own``), the base is served plain and its own adapter as one of them.
    """
    if not adapters:
        return []
    own = folder / ADAPTER
    if {MODEL, BASE} & set(adapters):
        raise FaceLLMError(f"an adapter cannot be called {MODEL} or {BASE}: the weights are")
    known = {name: path.resolve() for name, path in adapters.items()}
    instead = {replaces_own(path, folder) for path in known.values()}
    if len(instead) > 1:
        raise FaceLLMError(
            f"of {', '.join(known)} some stand in for the adapter of {folder} and some come on top "
            "of it; serve them apart"
        )
    plain = own.is_dir() and True in instead
    flags = ["--enable-lora", "--max-loras", str(len(known) + plain)]
    if plain:
        known[MODEL] = own.resolve()
        flags += ["--served-model-name", BASE, "--hf-overrides", '{"merge_adapter": false}']
    base = folder_language_digest(folder) if True in instead else merged_digest(folder)
    for path in known.values():
        check_base(path, str(folder), base)
    rank = max(adapter_rank(path) for path in known.values())
    if rank > RANKS[-1]:
        raise FaceLLMError(f"an adapter of rank {rank}, vLLM takes {RANKS[-1]} at most")
    flags += ["--max-lora-rank", str(next(size for size in RANKS if size >= rank))]
    return [*flags, "--lora-modules", *(f"{name}={path}" for name, path in known.items())]


def merged_digest(folder: Path) -> str:
    """Digest of the language model with the weights' own adapter in it; it is loaded for that."""
    return language_digest(load_checkpoint(folder).model)


def adapter_rank(folder: Path) -> int:
    """Rank of a PEFT adapter."""
    try:
        return int(json.loads((folder / ADAPTER_CONFIG).read_text())["r"])
    except (ValueError, KeyError, TypeError) as error:
        raise FaceLLMError(
            f"{folder / ADAPTER_CONFIG}: not an adapter's config: {error}"
        ) from error
