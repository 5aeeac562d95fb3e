"""What a user may say about how a model is asked."""

from __future__ import annotations

from dataclasses import dataclass

KEY_VARIABLE = "FACELLM_EVAL_KEY"


@dataclass(frozen=True)
class ModelOptions:
    """Options of models behind an endpoint.

    Attributes:
        concurrency: Requests under way at once.
        retries: Further tries of a request that timed out, met 429 or 5xx; waits grow
            exponentially.
        timeout: Seconds one try may take.
        most_tokens: Longest answer.
        temperature: Of sampling; above 0 answers are not kept for other runs.
        crops: Send the face crop instead of the whole picture.
        key_variable: Environment variable that holds the key.
    """

    concurrency: int = 16
    retries: int = 3
    timeout: float = 60.0
    most_tokens: int = 256
    temperature: float = 0.0
    crops: bool = False
    key_variable: str = KEY_VARIABLE
