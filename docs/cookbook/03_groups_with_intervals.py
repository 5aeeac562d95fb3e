"""Compare groups of photographs: mean shares with 95 % intervals, from a table in pandas.

Run: ``python docs/cookbook/03_groups_with_intervals.py [TABLE]``
TABLE is a CSV of ``facellm read``; the group of a row is the folder its picture lies in.
Gives: for every group the number of pictures, the share left open, and the mean of some columns
with a bootstrap interval. Rows of one picture are drawn together: two faces of one photograph are
no two independent cases. Pictures of one person are not independent either: group them yourself.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import sample_pictures

from facellm.cli import main as facellm

COLUMNS = ("happiness", "neutral", "z_mouth_open")
RESAMPLES = 2000


def mean_with_interval(values: pd.Series) -> str:
    """Mean of per-picture means and its 95 % percentile bootstrap interval over pictures."""
    held = values.dropna().to_numpy()
    if len(held) < 2:
        return "too few"
    draws = np.random.default_rng(0).choice(held, (RESAMPLES, len(held))).mean(axis=1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return f"{held.mean():.2f} [{low:.2f}, {high:.2f}]"


def main() -> None:
    """Read or take a table, then aggregate."""
    if len(sys.argv) > 1:
        table = Path(sys.argv[1])
    else:
        album = sample_pictures.folder(sample_pictures.OUT / "album")
        table = sample_pictures.OUT / "groups.csv"
        print("sample pictures of one photograph: the figures below mean nothing")
        facellm(["read", str(album), "-o", str(table), "--quiet"])
    faces = pd.read_csv(table)
    faces["group"] = [Path(name).parent.name for name in faces["input"]]
    faces["left_open"] = faces["expression"].isna()
    pictures = faces.groupby(["group", "input"])[[*COLUMNS, "left_open"]].mean()
    groups = pictures.groupby("group")
    shown = groups[list(COLUMNS)].agg(mean_with_interval)
    shown.insert(0, "pictures", groups.size())
    shown.insert(1, "left open", groups["left_open"].mean().round(2))
    print(shown.to_string())
    print("A share says what faces show in these pictures, not what people feel.")


if __name__ == "__main__":
    main()
