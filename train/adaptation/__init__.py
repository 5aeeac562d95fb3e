"""A user's own labelled faces -> a LoRA adapter, its calibration and its report."""
