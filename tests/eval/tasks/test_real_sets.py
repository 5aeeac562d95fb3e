"""The tasks on the real sets, where they lie beside the repository: a few rows of each."""

import numpy as np
import pytest
from shared_data import DATA, needs

from facellm.eval.harness.gather import gather
from facellm.eval.tasks import task_named

HERE = {"ferplus": "ferplus", "utkface_age": "utkface", "face_mask": "face_mask"}
HERE |= {"real_vs_stylegan2": "real_vs_stylegan2"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(task, marks=needs(f"{file}.parquet")) for task, file in HERE.items()],
)
def test_a_task_reads_pictures_and_targets_of_the_real_set(name):
    task = task_named(name)
    gathered = gather(task, DATA / f"{HERE[name]}.parquet", "valid", 6)
    assert len(gathered.samples) == 6 < gathered.available
    for sample in gathered.samples:
        (frame,) = sample.media[0].frames(1)
        assert frame.dtype == np.uint8
        assert frame.shape[2] == 3
        label = sample.target["label"] if isinstance(sample.target, dict) else sample.target
        assert label in (*sample.options, None, *range(117))
