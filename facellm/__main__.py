"""``python -m facellm``: the same as the ``facellm`` command."""

import sys

from facellm.cli import main

sys.exit(main())
