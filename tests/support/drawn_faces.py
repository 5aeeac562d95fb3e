"""Pictures with a drawn face whose 68 points are known, for tests that need no real face."""

import cv2
import numpy as np

SIDE = 96


def drawn_points(side=SIDE):
    """A frontal face, (68, 2) float64 pixels, in the usual order."""
    jaw = np.linspace(np.pi, 0, 17)
    eye = np.array([[-1, 0], [-0.4, -0.45], [0.4, -0.45], [1, 0], [0.4, 0.45], [-0.4, 0.45]])
    lips = np.linspace(np.pi, 3 * np.pi, 12, endpoint=False)
    inner = np.linspace(np.pi, 3 * np.pi, 8, endpoint=False)
    across = np.linspace(-0.1, 0.1, 5)
    brow = np.column_stack([across, 3 * across**2])
    parts = [
        np.column_stack([0.5 + 0.33 * np.cos(jaw), 0.45 + 0.4 * np.sin(jaw)]),
        brow + np.array([0.34, 0.3]),
        brow + np.array([0.66, 0.3]),
        np.column_stack([np.full(4, 0.5), np.linspace(0.4, 0.54, 4)]),
        np.column_stack([np.linspace(0.44, 0.56, 5), np.full(5, 0.58)]),
        0.07 * eye + np.array([0.35, 0.39]),
        0.07 * eye + np.array([0.65, 0.39]),
        np.column_stack([0.5 + 0.12 * np.cos(lips), 0.71 + 0.05 * np.sin(lips)]),
        np.column_stack([0.5 + 0.09 * np.cos(inner), 0.71 + 0.02 * np.sin(inner)]),
    ]
    return side * np.concatenate(parts)


def drawn_face(seed=0, side=SIDE, grey=False):
    """A textured picture with that face: (H, W, 3) uint8 and its points."""
    rng = np.random.default_rng(seed)
    points = drawn_points(side)
    cells = rng.uniform(60, 200, (12, 12, 3)).astype(np.float32)
    pixels = cv2.resize(cells, (side, side), interpolation=cv2.INTER_CUBIC)
    skin = rng.uniform(90, 180, 3)
    cv2.fillConvexPoly(pixels, cv2.convexHull(points[:27].astype(np.int32)), skin.tolist())
    for part, shade in ((slice(36, 42), 0.3), (slice(42, 48), 0.3), (slice(48, 60), 0.6)):
        cv2.fillPoly(pixels, [points[part].astype(np.int32)], (skin * shade).tolist())
    for part in (slice(17, 22), slice(22, 27)):
        cv2.polylines(pixels, [points[part].astype(np.int32)], False, (30, 30, 30), 2)
    pixels += rng.normal(0, 6, pixels.shape)
    pixels = np.clip(pixels, 0, 255).astype(np.uint8)
    if grey:
        pixels = np.repeat(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None], 3, -1)
    return pixels, points


def write_prepared(folder, count=12, side=SIDE, fake=None):
    """A prepared set of drawn faces; every third face is of the test split."""
    folder.mkdir(parents=True)
    faces = [drawn_face(seed, side) for seed in range(count)]
    np.save(folder / "images.npy", np.stack([pixels for pixels, _ in faces]))
    points = np.stack([points for _, points in faces]).astype(np.float32) / side
    np.save(folder / "landmarks.npy", points)
    labels = {"fake": np.array(fake, np.int8)} if fake is not None else {}
    np.savez(
        folder / "labels.npz",
        split=np.array([2 if i % 3 == 2 else 0 for i in range(count)], np.int8),
        key=np.array([f"drawn/{i}" for i in range(count)]),
        **labels,
    )
    return folder
