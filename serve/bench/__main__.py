"""``python -m facellm.serve.bench``."""

from .command import main

if __name__ == "__main__":
    main()
