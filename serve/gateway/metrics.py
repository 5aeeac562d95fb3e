"""What is counted, for Prometheus; a registry per app, so that two apps do not share counts.

Example line of ``/metrics``: ``facellm_requests_total{route="/v1/readings",status="200"} 3.0``
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """Counters of one app."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "facellm_requests", "Requests answered.", ["route", "status"], registry=registry
        )
        self.seconds = Histogram(
            "facellm_request_seconds",
            "From the first byte of a request to the last of its response.",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.first_word = Histogram(
            "facellm_first_word_seconds",
            "From the prompt to the first word of an answer.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.pictures = Counter(
            "facellm_pictures", "Pictures and clips, by what became of them.", ["outcome"],
            registry=registry,
        )  # fmt: skip
        self.faces = Counter("facellm_faces", "Faces read.", registry=registry)
        self.tokens = Counter("facellm_tokens", "Tokens, by kind.", ["kind"], registry=registry)
        self.refusals = Counter(
            "facellm_refusals", "Questions and answers refused.", ["kind"], registry=registry
        )
        self.gone = Counter("facellm_clients_gone", "Clients that went away.", registry=registry)
        self.inside = Gauge("facellm_requests_inside", "Running and waiting.", registry=registry)
        self.running = Gauge("facellm_requests_running", "Worked on.", registry=registry)
        self.engine_up = Gauge(
            "facellm_engine_up", "1 where the last canary sang.", ["engine"], registry=registry
        )

    def text(self) -> bytes:
        """All of it in Prometheus' format."""
        return generate_latest(self.registry)
