"""What the trainer costs on this machine, beside others on the same data: ``make bench``."""
