"""``python -m facellm``: the same as the ``facellm`` command."""

import sys

from facellm.cli import main

if __name__ == "__main__":  # worker processes import this file too
    sys.exit(main())
