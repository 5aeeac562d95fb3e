"""What one rank has seen, all ranks remember, in one order."""

import subprocess
import sys
from pathlib import Path

from facellm.train.objectives import ranks

SCRIPT = """
import runpy, sys
import torch
from torch import distributed
rank, store, code = int(sys.argv[1]), sys.argv[2], sys.argv[3]
distributed.init_process_group("gloo", init_method="file://" + store, rank=rank, world_size=2)
module = runpy.run_path(code)
rows = torch.arange(3.0 * rank).view(-1, 3)  # the first rank has no row
both = module["over_ranks"]([rows, torch.full((rank,), 7)])
assert both[0].tolist() == [[0.0, 1.0, 2.0]], both
assert both[1].tolist() == [7], both
assert module["ranks"]() == 2
distributed.destroy_process_group()
"""


def test_rows_of_two_ranks_are_joined_also_where_one_has_none(tmp_path):
    # The file alone: the package around it takes seconds to import in every process.
    arguments = [str(tmp_path / "store"), str(Path(ranks.__file__))]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(rank), *arguments], stderr=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    errors = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors


def test_one_process_keeps_its_rows():
    assert ranks.ranks() == 1
    assert ranks.over_ranks([rows := object()])[0] is rows
