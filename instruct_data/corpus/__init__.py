"""Corpus builder: configuration, steps, shards, counts, cards, exchange formats."""
