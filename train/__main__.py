"""``python -m facellm.train``: what ``torchrun -m`` and ``deepspeed --module`` start.

Example: ``deepspeed --num_gpus 8 --module facellm.train faces.yaml -o runs/faces``.
"""

import sys

from facellm.cli import main

if __name__ == "__main__":
    # The deepspeed launcher adds --local_rank=0; the environment says the same.
    words = [word for word in sys.argv[1:] if not word.startswith("--local_rank")]
    sys.exit(main(["train", *words]))
