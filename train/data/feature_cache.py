"""Features of a frozen tower on disk: computed once, then read instead of pictures.

One folder for every tower (and way of standardising pixels), of chunks that are each written whole:

    features/3f9c.../            digest of the tower's weights and the image settings
        0a41....npy              (n, P, Dv) float16 patches
        0a41....landmarks.npy    (n, 68, 2) float32 in [0, 1] of each crop, NaN where missing
        0a41....json             its faces' keys; written last: without it the chunk is not there

A kill costs the chunk under way. Several processes may fill one folder: the first does, the others
wait for it.

Legend: N faces, P patches, Dv vision width.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facellm.atomic import atomic_file, read_json, told_in_words, write_json
from facellm.conversation import FacePart
from facellm.errors import FaceLLMError
from facellm.processor import FaceLLMProcessor

from ..run_config import TrainRun
from .pictures import Pictures, Wanted

CHUNK = 512  # faces
AT_ONCE = 32  # faces in one pass of the tower


class FeatureCache:
    """See the module docstring.

    Args:
        run: ``data.features`` is the folder.
        tower: Frozen; computes what is missing.
        processor: The product's.

    Raises:
        FaceLLMError: If the tower is trained, or the folder cannot be used.
    """

    def __init__(self, run: TrainRun, tower: nn.Module, processor: FaceLLMProcessor) -> None:
        check_frozen(run)
        self.run, self.tower, self.processor = run, tower, processor
        self.folder = Path(run.data.features) / tower_digest(tower, processor)
        with told_in_words(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        # Key -> patches and landmarks of its chunk, and its row there.
        self._place: dict[str, tuple[NDArray, NDArray, int]] = {}
        self._known: set[str] = set()
        self.look()

    def __len__(self) -> int:
        return len(self._place)

    def __contains__(self, key: str) -> bool:
        return key in self._place

    def look(self) -> None:
        """Take in the chunks that are there.

        Raises:
            FaceLLMError: If a chunk does not hold what its list of keys says.
        """
        for listing in sorted(self.folder.glob("*.json")):
            if listing.stem not in self._known:
                self._take(listing)
                self._known.add(listing.stem)

    def _take(self, listing: Path) -> None:
        keys = read_json(listing)
        files = listing.with_suffix(".npy"), listing.with_suffix(".landmarks.npy")
        try:
            patches, points = (np.load(file, mmap_mode="r") for file in files)
        except (OSError, ValueError) as error:
            raise FaceLLMError(f"{listing}: its features cannot be read ({error})") from error
        if not len(keys) == len(patches) == len(points):
            raise FaceLLMError(f"{listing}: {len(keys)} keys for {len(patches)} faces; remove it")
        self._place |= {key: (patches, points, row) for row, key in enumerate(keys)}

    def fill(self, faces: Iterable[tuple[str, Wanted]], pictures: Pictures) -> int:
        """Compute what is missing.

        Args:
            faces: Key and face; a key may come again.
            pictures: Decodes them.

        Returns:
            Number of faces computed.
        """
        with self._alone():
            self.look()
            before, waiting = len(self), {}
            for key, want in faces:
                if key not in self and key not in waiting:
                    waiting[key] = want
                if len(waiting) == CHUNK:
                    self._add(waiting, pictures)
                    waiting = {}
            if waiting:
                self._add(waiting, pictures)
            return len(self) - before

    def get(self, keys: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Patches (N, P, Dv) float32 and landmarks (N, 68, 2) of faces.

        Raises:
            FaceLLMError: If one was never computed.
        """
        absent = [key for key in keys if key not in self._place]
        if absent:
            raise FaceLLMError(f"{self.folder}: holds no features of {absent[0]}")
        found = [self._place[key] for key in keys]
        patches = np.stack([patches[row] for patches, _, row in found]).astype(np.float32)
        points = np.stack([points[row] for _, points, row in found])
        return torch.from_numpy(patches), torch.from_numpy(points)

    def _add(self, wanted: dict[str, Wanted], pictures: Pictures) -> None:
        self._write(list(wanted), *self._computed(list(wanted.values()), pictures))
        self.look()

    def _computed(self, wanted: Sequence[Wanted], pictures: Pictures) -> tuple[NDArray, NDArray]:
        patches, points = [], []
        weight = next(self.tower.parameters())
        for start in range(0, len(wanted), AT_ONCE):
            seen = pictures.crops(wanted[start : start + AT_ONCE])
            shown = self.processor.images([FacePart(crop, unit) for crop, unit in seen])
            self.tower.eval()  # a frozen tower's norms do not learn from a batch either
            with torch.inference_mode():
                out = self.tower(shown["pixel_values"].to(weight))
            patches.append(out.to(torch.float16).cpu().numpy())
            points.append(shown["landmarks"].numpy())
        joined = np.concatenate(patches)
        if not np.isfinite(joined).all():
            raise FaceLLMError(f"the tower's features of {wanted[0].sample} do not fit in float16")
        return joined, np.concatenate(points)

    def _write(self, keys: list[str], patches: NDArray, points: NDArray) -> None:
        name = hashlib.sha256("\n".join(keys).encode()).hexdigest()[:16]
        for suffix, array in ((".npy", patches), (".landmarks.npy", points)):
            with atomic_file(self.folder / f"{name}{suffix}") as file:
                np.save(file, array)
        write_json(self.folder / f"{name}.json", keys)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Be the only process that fills the folder; the system unlocks when a process ends."""
        import fcntl  # POSIX, as training is

        with told_in_words(self.folder):
            handle = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def check_frozen(run: TrainRun) -> None:
    """Refuse cached features of a tower that learns."""
    if run.data.features and run.rates.vision_tower > 0:
        raise FaceLLMError(
            f"data.features is set and rates.vision_tower is {run.rates.vision_tower}: features of "
            "a tower that learns would be stale; set one of them to nothing"
        )


def tower_digest(tower: nn.Module, processor: FaceLLMProcessor) -> str:
    """Of the tower's weights and of how pixels come to it, 16 hex digits."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tower.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    images = processor.image_processor
    digest.update(f"{processor.crop_size} {images.image_mean} {images.image_std}".encode())
    return digest.hexdigest()[:16]
