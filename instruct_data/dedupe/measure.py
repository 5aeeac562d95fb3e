"""Measure the search for near duplicates on real sets.

``python -m facellm.instruct_data.dedupe.measure --data ../shared/data -o dedupe.json``

FER+ lists rows that stand twice (``duplicate_group``, ``duplicate_of_eval``); the search never sees
these columns. Copies with a known original are made from every set. ``--sheet`` draws pairs that
were found and are not listed, for somebody to look at; keep it out of the repository.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from facellm.errors import FaceLLMError
from facellm.folders import check_place, default_data
from facellm.near_duplicates.fingerprints import Fingerprints, fingerprint
from facellm.near_duplicates.search import Pairs, near_pairs

from .copies import KINDS, Picture
from .groups import drops_of, duplicate_groups

SETS = ("ferplus", "utkface", "real_vs_stylegan2")
SHEET_PAIRS = 200


@dataclass(frozen=True, eq=False)
class Sources:
    """Several sets, one after another, and copies made of their rows at the end.

    Attributes:
        prints: Of all rows.
        sets: (N,) name of the set; ``copy`` for a made copy.
        original: (N,) row a copy was made of; -1 for a row of a set.
        kinds: (N,) kind of copy, empty for a row of a set.
    """

    prints: Fingerprints
    sets: NDArray[np.str_]
    original: NDArray[np.int64]
    kinds: NDArray[np.str_]


def pictures_of(path: Path, count: int) -> Iterator[Picture]:
    """The first pictures of a set, (H, W) or (H, W, 3), as they are stored."""
    left = count
    for batch in pq.ParquetFile(path).iter_batches(min(count, 500), columns=["image"]):
        for value in batch["image"].to_pylist()[:left]:
            with Image.open(io.BytesIO(value["bytes"])) as picture:
                yield np.asarray(picture.convert("L" if picture.mode == "L" else "RGB"))
        left -= len(batch)
        if left <= 0:
            return


def load(data: Path, limit: int | None, copies: int) -> Sources:
    """Fingerprints of the sets and of copies made of rows drawn from each."""
    thumbs, made, sets, original, kinds = [], [], [], [], []
    for number, name in enumerate(SETS):
        path = data / f"{name}.parquet"
        if not path.is_file():
            raise FaceLLMError(f"{path}: no such file")
        count = min(pq.read_metadata(path).num_rows, limit or sys.maxsize)
        rng = np.random.default_rng((5, number))
        chosen = set(rng.choice(count, min(copies, count), replace=False).tolist())
        for row, picture in enumerate(pictures_of(path, count)):
            thumbs.append(fingerprint(picture))
            if row in chosen:
                kinds.append(list(KINDS)[len(kinds) % len(KINDS)])
                made.append(fingerprint(KINDS[kinds[-1]](picture, rng)))
                original.append(len(thumbs) - 1)
        sets += [name] * count
    nobody = [-1] * len(thumbs)
    return Sources(
        Fingerprints(np.array(thumbs + made)),
        np.array(sets + ["copy"] * len(made)),
        np.array(nobody + original),
        np.array([""] * len(thumbs) + kinds),
    )


def copy_figures(sources: Sources, pairs: Pairs) -> dict[str, Any]:
    """How many copies were found, and how many of their pairs are with somebody else.

    A pair of a copy is right where the other row is its original, or in a group with it without
    any copies' help (the same picture may stand in a set twice).
    """
    of_sets = _of(pairs, (sources.original[pairs.first] < 0) & (sources.original[pairs.second] < 0))
    groups = duplicate_groups(len(sources.sets), of_sets)
    joined = duplicate_groups(len(sources.sets), pairs)
    copies = np.flatnonzero(sources.original >= 0)
    found = joined[copies] == joined[sources.original[copies]]
    told = np.where(sources.original >= 0, sources.original, np.arange(len(groups)))
    mine = (sources.original[pairs.first] >= 0) | (sources.original[pairs.second] >= 0)
    wrong = mine & (groups[told[pairs.first]] != groups[told[pairs.second]])
    by_set = {s: _share(found[sources.sets[sources.original[copies]] == s]) for s in SETS}
    by_kind = {kind: _share(found[sources.kinds[copies] == kind]) for kind in KINDS}
    return {
        "found": _share(found),
        "by_set": by_set,
        "by_kind": by_kind,
        "pairs": int(mine.sum()),
        "false_pairs": int(wrong.sum()),
    }


def listed_figures(path: Path, sources: Sources, pairs: Pairs) -> dict[str, Any]:
    """What FER+ lists against what was found among its rows."""
    count = int((sources.sets == "ferplus").sum())
    listed = pd.read_parquet(path, columns=["split", "duplicate_group", "duplicate_of_eval"])[
        :count
    ]
    inside = _of(pairs, (pairs.first < count) & (pairs.second < count))
    keys = [str(row) for row in range(count)]
    splits = listed["split"].tolist()
    drops = drops_of(inside, keys, splits)
    across = drops_of(inside, keys, splits, within=False)
    leaked = np.flatnonzero(listed["duplicate_of_eval"])
    group = np.asarray(listed["duplicate_group"])
    joined = duplicate_groups(count, inside)
    order = np.argsort(group, kind="stable")
    same = np.flatnonzero(np.diff(group[order]) == 0)
    chained = joined[order[same]] == joined[order[same + 1]]
    return {
        "rows": count,
        "duplicate_of_eval_dropped": _share(np.array([str(row) in drops for row in leaked])),
        "listed_pairs_joined": _share(chained),
        "pairs_not_listed": int((group[inside.first] != group[inside.second]).sum()),
        "rows_dropped": len(drops),
        "rows_of_another_split_dropped": len(across),
    }


def across_sets(sources: Sources, pairs: Pairs) -> int:
    """Pairs between rows of two sets, copies left out."""
    one, other = sources.sets[pairs.first], sources.sets[pairs.second]
    return int(((one != other) & (one != "copy") & (other != "copy")).sum())


def draw_sheet(data: Path, sources: Sources, pairs: Pairs, out: Path) -> None:
    """Draw pairs of FER+ that are not listed, drawn at random, side by side."""
    path = data / "ferplus.parquet"
    count = int((sources.sets == "ferplus").sum())
    group = pd.read_parquet(path, columns=["duplicate_group"])["duplicate_group"].to_numpy()[:count]
    inside = np.flatnonzero((pairs.first < count) & (pairs.second < count))
    inside = inside[group[pairs.first[inside]] != group[pairs.second[inside]]]
    chosen = np.random.default_rng(0).permutation(inside)[:SHEET_PAIRS]
    sheet = Image.new("L", (10 * 135, (len(chosen) + 9) // 10 * 80))
    draw = ImageDraw.Draw(sheet)
    wanted = {*pairs.first[chosen].tolist(), *pairs.second[chosen].tolist()}
    shown = {row: p for row, p in enumerate(pictures_of(path, count)) if row in wanted}
    for place, row in enumerate(chosen):
        x, y = place % 10 * 135, place // 10 * 80
        for side, whose in enumerate((pairs.first[row], pairs.second[row])):
            sheet.paste(Image.fromarray(shown[int(whose)]).resize((64, 64)), (x + 65 * side, y))
        draw.text((x, y + 65), f"{pairs.likeness[row]:.3f}", fill=255)
    sheet.save(out)


def _of(pairs: Pairs, which: NDArray[np.bool_]) -> Pairs:
    return Pairs(
        pairs.first[which], pairs.second[which], pairs.mirrored[which], pairs.likeness[which]
    )


def _share(hits: NDArray[np.bool_]) -> dict[str, Any]:
    return {"share": round(float(hits.mean()), 4) if len(hits) else None, "n": len(hits)}


def main(argv: list[str] | None = None) -> None:
    """Measure and write JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("-o", "--out", type=Path, required=True, help="JSON; replaced")
    parser.add_argument("--limit", type=int, help="rows of each set at most")
    parser.add_argument("--copies", type=int, default=200, help="made of each set")
    parser.add_argument("--sheet", type=Path, help="picture of pairs that FER+ does not list")
    args = parser.parse_args(argv)
    check_place(args.out)
    sources = load(args.data, args.limit, args.copies)
    start = time.perf_counter()
    pairs = near_pairs(sources.prints)
    seconds = time.perf_counter() - start
    figures = {
        "rows": len(sources.prints),
        "seconds": round(seconds, 1),
        "thumbnails_compared": pairs.compared,
        "skipped": pairs.skipped,
        "pairs": len(pairs),
        "pairs_across_sets": across_sets(sources, pairs),
        "copies": copy_figures(sources, pairs),
        "ferplus": listed_figures(args.data / "ferplus.parquet", sources, pairs),
    }
    args.out.write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures, indent=1))
    if args.sheet is not None:
        draw_sheet(args.data, sources, pairs, args.sheet)


if __name__ == "__main__":
    main()
