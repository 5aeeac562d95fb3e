"""Render a face of the rig as a small photograph: mesh, light, eyes, hair, background, camera.

Example: ``FaceRenderer(rig, 160).render(sample)`` -> uint8 (160, 160, 3) RGB, 80 ms on one core.

Shading is done in linear light at twice the resolution; blur, noise and JPEG come last.
Shapes: V vertices, S skin vertices (the first rows), T triangles, P covered pixels.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .rig import (
    GUMS,
    N_SKIN_VERTICES,
    SCLERA,
    SCLERA_VERTICES,
    TEETH,
    Rig,
    identity_table,
)
from .rig_backdrop import draw_backdrop, draw_glasses, photograph
from .rig_camera import Camera, direction, rotation
from .rig_eyes import Eyes, ball_centre
from .rig_light import Lights, surface
from .rig_paint import Skin, SkinMap
from .rig_raster import Hits, rasterize
from .rig_sample import FaceSample
from .rig_truth import lip_gap

Array = NDArray[Any]
Rng = np.random.Generator
_OVERSAMPLE = 2
# Units that can bare teeth or gums.
_BARING = frozenset((9, 10, 16, 20, 22, 25, 26, 28))


@dataclass(frozen=True)
class View:
    """What is seen, and of what it is made.

    Attributes:
        hits: The visible surface.
        corners: The triangles that were rasterised, (T, 3).
        materials: Material per covered pixel, (P,).
    """

    hits: Hits
    corners: Array
    materials: Array


class FaceRenderer:
    """Renders samples of one rig; holds what does not change between faces."""

    def __init__(self, rig: Rig, size: int = 160, people: Array | None = None) -> None:
        """Prepare a rig for pictures of ``size`` pixels; ``people`` as in ``label_face``."""
        self.rig, self.size, self.side = rig, size, size * _OVERSAMPLE
        self.skin_map = SkinMap.build(rig)
        self.identities = identity_table() if people is None else people
        quads = rig.quads
        self.corners = np.stack([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]], axis=1).reshape(-1, 3)
        self.corner_materials = np.repeat(rig.materials, 2)
        self._in_mouth = np.isin(self.corner_materials, (GUMS, TEETH))
        rest_z = rig.neutral[:, 2]
        # Light falls off behind the lips: darkness of gums and teeth by depth in the mouth.
        self._mouth_light = np.exp(-((11.5 - rest_z) / 2.2).clip(0)).astype(np.float32)

    def render(self, sample: FaceSample, camera: Camera | None = None) -> Array:
        """Render one face.

        Args:
            sample: Geometry and the seed of its look.
            camera: A fixed camera, for a face that moves; None frames the face by itself.

        Returns:
            (size, size, 3), uint8, RGB. The same sample gives the same picture.
        """
        return self.render_lit(sample, camera)[0]

    def render_lit(self, sample: FaceSample, camera: Camera | None = None) -> tuple[Array, Lights]:
        """The picture as ``render`` gives it, and the lamps that light it."""
        rng = np.random.default_rng(sample.look)
        mesh = self.rig.vertices(self.identities[sample.identity], sample.expression)
        points = mesh[self.rig.landmark_vertices]
        camera = camera or sample.camera(points)
        skin = self.skin_map.paint(rng)
        normals, hollow = surface(mesh, self.rig.quads)
        mesh[:N_SKIN_VERTICES] += normals[:N_SKIN_VERTICES] * skin.lift[:, None]
        image_xy, seen = camera.project(mesh)
        view = self._look(
            image_xy * np.float32(self.side), self._depth(seen, sample), lip_gap(points), sample
        )
        hollow_light = np.exp(-rng.uniform(5, 9) * hollow[:N_SKIN_VERTICES].clip(0)).clip(0.25, 1.0)
        hollow_light *= self.skin_map.creases(sample.units, rng)
        values = self._values(skin, normals @ camera.turn.T, hollow_light, rng)
        pixels = view.hits.interpolate(values, view.corners)
        lights = Lights(rng)
        colour = lights.shade(pixels[:, :3], pixels[:, 3:6], pixels[:, 6], pixels[:, 7])
        self._paint_eyes(colour, view, (seen, sample), lights, Eyes.draw(rng))
        canvas = draw_backdrop(self.side, camera, skin, points, rng)
        flat = canvas.reshape(-1, 3)
        flat[view.hits.pixels] = colour
        if rng.random() < 0.08:
            draw_glasses(canvas, camera, points, rng)
        small = cv2.resize(canvas, (self.size, self.size), interpolation=cv2.INTER_AREA)
        return photograph(small, rng), lights

    def _look(self, xy: Array, depth: Array, gap: float, sample: FaceSample) -> View:
        """Rasterise; gums and teeth only where the lips can show them, for speed."""
        bare = gap > 0.005 or bool(_BARING & set(sample.units))
        corners = self.corners if bare else self.corners[~self._in_mouth]
        materials = self.corner_materials if bare else self.corner_materials[~self._in_mouth]
        hits = rasterize(xy, depth, corners, self.side)
        return View(hits, corners, materials[hits.triangles])

    def _depth(self, seen: Array, sample: FaceSample) -> Array:
        """Distance from the camera up to a constant, (V,); a closing eye retreats behind its lid.

        The blink shape moves lid vertices on straight lines, so at half way they cut through the
        eyeball.
        """
        depth = -seen[:, 2]
        for (first, last), side in zip(SCLERA_VERTICES, ("_R", "_L"), strict=True):
            closed = sample.expression[self.rig.expression_names.index(f"eyeBlink{side}")]
            depth[first:last] += np.float32(0.5 * closed)
        return depth

    def _values(self, skin: Skin, normals: Array, openness: Array, rng: Rng) -> Array:
        """Vertex values to interpolate, (V, 8): albedo 0:3, normal 3:6, openness 6, gloss 7."""
        values = np.zeros((len(normals), 8), dtype=np.float32)
        values[:, 3:6] = normals
        values[:, 6] = 1.0
        s = N_SKIN_VERTICES
        values[:s, :3], values[:s, 7] = skin.albedo, skin.gloss
        values[:s, 6] = openness
        gums, teeth = (
            self.rig.quads[self.rig.materials == GUMS],
            self.rig.quads[self.rig.materials == TEETH],
        )
        values[gums.ravel(), :3] = np.array([0.42, 0.12, 0.11]) * rng.uniform(0.6, 1.1)
        values[teeth.ravel(), :3] = np.array([0.8, 0.74, 0.62]) * rng.uniform(0.7, 1.05)
        values[teeth.ravel(), 7] = 0.15
        values[s:21451, 6] = self._mouth_light[s:21451]
        return values

    def _paint_eyes(
        self,
        colour: Array,
        view: View,
        geometry: tuple[Array, FaceSample],
        lights: Lights,
        eyes: Eyes,
    ) -> None:
        """Colour the eyeball pixels in place; the iris sits around the gaze axis."""
        seen, sample = geometry
        gaze = rotation(sample.pose) @ direction(*sample.eyes)
        on_eye = np.flatnonzero(view.materials == SCLERA)
        if not len(on_eye):
            return
        hits = view.hits
        part = Hits(hits.pixels[on_eye], hits.triangles[on_eye], hits.weights[on_eye])
        where = part.interpolate(seen, view.corners)
        first_corner = view.corners[part.triangles, 0]
        for first, last in SCLERA_VERTICES:
            mine = np.flatnonzero((first_corner >= first) & (first_corner < last))
            if not len(mine):
                continue
            normal = where[mine] - ball_centre(seen[first:last])
            normal /= np.linalg.norm(normal, axis=1, keepdims=True)
            # The upper lid and its lashes shade the top of the ball.
            shadow = (0.85 - 0.35 * normal[:, 1].clip(-0.5, 1)).clip(0.3, 1)
            lit = lights.shade(eyes.albedo(normal, gaze), normal, shadow, np.zeros(len(mine)))
            lit += lights.highlight(normal, 160)[:, None] * 0.6
            colour[on_eye[mine]] = lit
