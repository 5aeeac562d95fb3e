"""Evaluation: held-out figures, detection report, calibration and speed."""
