"""Forgeries with known masks."""
