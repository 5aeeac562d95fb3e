"""The loop of ``facellm train``: steps, rates, checkpoints, curves, on one process or by DeepSpeed.

``training`` runs it; ``single`` and ``ds_engine`` are what takes the steps.
"""
