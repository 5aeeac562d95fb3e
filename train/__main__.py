"""``python -m facellm.train``: what ``torchrun -m`` and ``deepspeed --module`` start.

Example: ``deepspeed --num_gpus 8 --module facellm.train faces.yaml -o runs/faces``.
"""

import sys

from facellm.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
