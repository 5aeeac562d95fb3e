"""Corpus: readers, prepared sets, the face rig, forgeries, questions and grammar."""
