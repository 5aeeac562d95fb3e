"""Corpora -> batches: records to samples, pictures to crops, samples to packed rows, in order.

``stream.BatchStream`` is the door; everything behind it is a pure function of the run's config, its
seed and the step's number.
"""
