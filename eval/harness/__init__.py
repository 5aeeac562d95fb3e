"""The zero-shot harness: samples -> questions -> answers -> scores -> figures with intervals.

``sample`` and ``task`` hold the types, ``facellm.eval.tasks.TASKS`` is the registry, ``runner``
does the work and ``facellm eval`` is its command (``facellm.eval.eval_command``).
"""
