"""When a run that went through still exits with 1: outcomes a user does not put up with.

Example: ``FailOn.parse("timeout,unparsed=0.05")``: any timeout, or more than 5 % unparsed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from facellm.errors import FaceLLMError

from .sample import ANSWERED, OUTCOMES

ANY = "any"
FAILED = 1


@dataclass(frozen=True)
class FailOn:
    """Outcome, or ``any``, -> share of a task's samples from above which it fails the run."""

    most: Mapping[str, float]

    @classmethod
    def parse(cls, text: str) -> FailOn:
        """From the command line.

        Raises:
            FaceLLMError: If an outcome is unknown or a share is not in 0..1.
        """
        most: dict[str, float] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, _, share = part.partition("=")
            if name not in (ANY, *OUTCOMES[1:]):
                raise FaceLLMError(
                    f"--fail-on {name!r}: must be any, or of {', '.join(OUTCOMES[1:])}"
                )
            try:
                most[name] = float(share) if share else 0.0
            except ValueError:
                raise FaceLLMError(f"--fail-on {part!r}: {share!r} is no share") from None
            if not 0 <= most[name] <= 1:
                raise FaceLLMError(f"--fail-on {part!r}: a share lies in 0..1")
        return cls(most)

    def exit_code(
        self, outcomes: Mapping[str, Mapping[str, int]], tell: Callable[[str], None]
    ) -> int:
        """0, or 1 with a line for each task and outcome that is too much."""
        code = 0
        for task, counts in outcomes.items():
            total = sum(counts.values())
            bad = {ANY: total - counts.get(ANSWERED, 0), **counts}
            for name, most in self.most.items():
                if bad.get(name, 0) > most * total:
                    tell(f"{task}: {name} {bad[name]} of {total}, at most {most:g} of them wanted")
                    code = FAILED
        return code
