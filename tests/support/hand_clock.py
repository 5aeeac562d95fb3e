"""A clock that a test moves by hand, for modules that measure with ``time.perf_counter``."""

from types import SimpleNamespace


class HandClock:
    """Seconds that pass only where a test says so."""

    def __init__(self):
        self.now = 0.0

    def spend(self, seconds):
        self.now += seconds

    def put_into(self, monkeypatch, module):
        """Let ``module`` measure by this clock."""
        clock = SimpleNamespace(perf_counter=lambda: self.now)
        monkeypatch.setattr(module, "time", clock)
        return self
