"""Conversations whose answers are written under readings: what the product does, as a corpus."""
