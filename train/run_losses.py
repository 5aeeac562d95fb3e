"""The section ``losses`` of a training run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class TokenWeights:
    """How often a token counts in the answer loss; others count once.

    Values are one answer token in fourteen and what an answer is judged by; what is asked for is
    one token that decides all others.

    Attributes:
        values: Pointers to percentages, years, degrees, levels, and yes or no.
        names: Names of expressions and action units.
        intents: The first token of an answer.
    """

    values: float = 1.0
    names: float = 1.0
    intents: float = 1.0

    def __post_init__(self) -> None:
        for name, weight in asdict(self).items():
            if weight <= 0:
                raise ValueError(f"tokens.{name} {weight} is not above 0")


@dataclass(frozen=True)
class LossesConfig:
    """Weight of every objective; 0 is off. Those above 0 by default are the product's own two.

    Attributes:
        answer: Cross-entropy of the answer tokens.
        readout: Cross-entropy at the query tokens.
        neighbourhood: Targets smoothed over neighbouring pictures (LA-Net; PAPERS.md).
        identity_adversary: Gradient reversal against telling people apart (FMAE-IAT; PAPERS.md).
        au_attention: FRGCA's attention drawn to the regions of the units labelled present.
        soft_targets: No weight: ``readout`` learns whole distributions (votes); false: each
            target's most likely label alone.
        tokens: No weight: how much kinds of tokens count in ``answer``.
    """

    answer: float = 1.0
    readout: float = 1.0
    neighbourhood: float = 0.0
    identity_adversary: float = 0.0
    au_attention: float = 0.0
    soft_targets: bool = True
    tokens: TokenWeights = field(default_factory=TokenWeights)

    def __post_init__(self) -> None:
        for name, weight in self.weights.items():
            if weight < 0:
                raise ValueError(f"weight of {name}, {weight}, is below 0")
        if not any(self.weights.values()):
            raise ValueError("every loss weighs 0: nothing is learned")

    @property
    def weights(self) -> dict[str, float]:
        """Objective -> weight, in the order above."""
        others = ("soft_targets", "tokens")
        return {name: value for name, value in asdict(self).items() if name not in others}
