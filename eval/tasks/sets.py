"""Sets that more than one task asks about."""

from __future__ import annotations

from ..harness.task import Data

UTKFACE = Data(
    "utkface",
    "https://susanqq.github.io/UTKFace/",
    ("utkface.parquet", "UTKFace", "utkface"),
    size="about 23,000 pictures",
)
FAIRFACE = Data(
    "fairface",
    "https://github.com/joojs/fairface (pictures with padding 0.25)",
    ("FairFace", "fairface"),
    size="97,698 pictures, 10,954 of them the published validation (test here)",
)
