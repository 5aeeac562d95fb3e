"""Figures of scored answers, each with n and a bootstrap 95 % interval: pure functions."""
