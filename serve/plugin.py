"""The door through which vLLM finds FaceLLM: an entry point of the group ``vllm.general_plugins``.

vLLM calls ``register`` in every process it starts, before a model is looked for. Nothing of vLLM is
imported until then, so this file also loads where vLLM is not installed.

Example: ``vllm serve facellm/weights --logits-processors facellm.serve.vllm_intents:Intents``
"""

from __future__ import annotations

ARCHITECTURE = "FaceLLMForConditionalGeneration"  # as ``config.json`` of a checkpoint names it
MODEL = "facellm.serve.vllm_model:FaceLLMForVllm"


def register() -> None:
    """Tell transformers our config and processor, and vLLM our model; may be called again."""
    from vllm import ModelRegistry  # type: ignore[import-not-found]

    import facellm.config
    import facellm.processor  # noqa: F401  (both register themselves with transformers)

    if ARCHITECTURE not in ModelRegistry.get_supported_archs():
        # By name: a class would initialise the device in the process that only looks.
        ModelRegistry.register_model(ARCHITECTURE, MODEL)
