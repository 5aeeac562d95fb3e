"""Clips: frames over time, faces followed through them, and what changes."""
