"""Near duplicates among pictures: fingerprints, hashes, alignment, search.

In the core because the corpus leaves out what stands in test splits, and evaluation asks whether a
corpus holds a task's pictures. They look at pixels alone and know no set.
"""
