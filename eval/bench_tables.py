"""Pictures and faces a second of ``facellm read``, stage by stage, beside others on the same files.

The files are photographs of one megapixel (``bench.new_photo``) as JPEG. Decoding, detection and
reading are timed apart. Beside them, on the same pictures or crops, in turns in the same run:

- MediaPipe's face mesh, where the Python of an environment that has it is named (detection and 468
  landmarks; no expression, no age);
- stand-ins of deepface's and py-feat's networks, whose weights cannot be had offline: the same
  kinds of layers at the same size with random weights. They say what such networks cost, nothing
  else. deepface: two VGG-Face (13 convolutions, 224 px) for age and gender and its expression
  network (48 px grey). py-feat: one ConvNeXtV2-Tiny, 224 px.

Example line: ``| crops read over the stand-in of deepface | 31.20 x |``.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn
from transformers import ConvNextV2Config, ConvNextV2Model

from facellm.assistant import FaceAssistant
from facellm.bench_lines import Line, Rgb, missing, new_photo
from facellm.crops import upright_crop
from facellm.errors import FaceLLMError
from facellm.images import load_image

PICTURES = 16
VGG = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)
DEPTHS, WIDTHS = [3, 3, 9, 3], [96, 192, 384, 768]  # ConvNeXt V2 Tiny
# Runs in an environment of its own, so it imports nothing of ours. Prints seconds a run.
MEDIAPIPE = """
import json, sys, time
import mediapipe, numpy
from PIL import Image
pictures = [numpy.array(Image.open(path).convert("RGB")) for path in sys.argv[2:]]
mesh = mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=True, max_num_faces=16)
seconds = []
for _ in range(int(sys.argv[1]) + 1):
    start = time.perf_counter()
    found = sum(len(mesh.process(p).multi_face_landmarks or ()) for p in pictures)
    seconds.append(time.perf_counter() - start)
print(json.dumps({"seconds": seconds[1:], "faces": found}))
"""


class VggFace(nn.Module):
    """VGG-16 as deepface's age and gender models use it: 224 px, two layers of 4,096.

    Source: Parkhi et al., "Deep face recognition", BMVC 2015, table 3.
    """

    def __init__(self, outputs: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = 3
        for channels in VGG:
            if not channels:
                layers.append(nn.MaxPool2d(2))
                continue
            layers += [nn.Conv2d(width, channels, 3, padding=1), nn.ReLU()]
            width = channels
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Flatten(),
            *(nn.Linear(width * 49, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU()),
            nn.Linear(4096, outputs),
        )

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, 224, 224) -> (N, outputs)."""
        return self.head(self.features(pixels))


def small_expression_network() -> nn.Module:
    """Five convolutions on 48 px grey, two layers of 1,024: deepface's expression model's size."""
    return nn.Sequential(
        *(nn.Conv2d(1, 64, 5), nn.ReLU(), nn.MaxPool2d(5, 2)),
        *(nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Conv2d(64, 64, 3), nn.ReLU(), nn.AvgPool2d(3, 2)),
        *(nn.Conv2d(64, 128, 3), nn.ReLU(), nn.Conv2d(128, 128, 3), nn.ReLU(), nn.AvgPool2d(3, 2)),
        *(nn.Flatten(), nn.Linear(128, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU()),
        nn.Linear(1024, 7),
    )


def stand_ins() -> dict[str, Callable[[int], None]]:
    """Name -> one pass over so many random crops."""
    networks = (VggFace(101).eval(), VggFace(2).eval(), small_expression_network().eval())
    convnext = ConvNextV2Model(ConvNextV2Config(depths=DEPTHS, hidden_sizes=WIDTHS)).eval()

    def deepface(count: int) -> None:
        pixels, grey = torch.rand(count, 3, 224, 224), torch.rand(count, 1, 48, 48)
        for network, given in zip(networks, (pixels, pixels, grey), strict=True):
            network(given)

    def pyfeat(count: int) -> None:
        convnext(torch.rand(count, 3, 224, 224))

    return {"deepface": deepface, "py-feat": pyfeat}


def seconds_of(work: Callable[[], object]) -> float:
    """Seconds one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def stage_seconds(
    assistant: FaceAssistant, paths: Sequence[Path], runs: int
) -> tuple[dict[str, list[float]], int]:
    """Seconds of decoding, detection, reading in batches of 16, per run; and faces found."""
    size = assistant.checkpoint.processor.crop_size
    seconds: dict[str, list[float]] = {"decode": [], "detect": [], "read": []}
    faces = 0
    for _ in range(runs + 1):
        marks = [time.perf_counter()]
        pictures = [load_image(path) for path in paths]
        marks.append(time.perf_counter())
        found = [(p, face) for p in pictures for face in assistant.detector.detect(p)]
        marks.append(time.perf_counter())
        crops = [upright_crop(p, face, size) for p, face in found]
        for first in range(0, len(crops), 16):
            assistant.read_crops(crops[first : first + 16])
        marks.append(time.perf_counter())
        faces = len(crops)
        for name, start, end in zip(seconds, marks, marks[1:], strict=False):
            seconds[name].append(end - start)
    return {name: values[1:] for name, values in seconds.items()}, faces


def network_lines(crops: list[Rgb], assistant: FaceAssistant, runs: int) -> list[Line]:
    """Crops read a second, ours and the stand-ins in turns."""
    work: dict[str, Callable[[], object]] = {"ours": lambda: assistant.read_crops(crops)}
    for name, passes in stand_ins().items():
        work[name] = lambda passes=passes: passes(len(crops))
    seconds: dict[str, list[float]] = {name: [] for name in work}
    with torch.inference_mode():
        for _ in range(runs + 1):
            for name, run in work.items():
                seconds[name].append(seconds_of(run))
    median = {name: statistics.median(values[1:]) for name, values in seconds.items()}
    lines = [
        Line("crops read (landmarks, all readouts)", len(crops) / median["ours"], "/s", None, runs)
    ]
    for name, theirs in median.items():
        if name != "ours":
            other = f"the stand-in of {name}"
            lines.append(Line(f"crops, {other}", len(crops) / theirs, "/s", None, runs))
            lines.append(Line(f"ours over {other}", theirs / median["ours"], "x", None, runs))
    return lines


def mediapipe_seconds(python: Path, paths: Sequence[Path], runs: int) -> list[float]:
    """Seconds of MediaPipe's face mesh over the pictures, per run.

    Raises:
        FaceLLMError: If there is no such Python or it has no MediaPipe; holds what it said last.
    """
    command = [str(python), "-c", MEDIAPIPE, str(runs), *map(str, paths)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise FaceLLMError(f"{python}: {error.strerror}") from error
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise FaceLLMError(f"{python}: {said[-1]}")
    return json.loads(done.stdout.splitlines()[-1])["seconds"]


def mediapipe_lines(python: Path | None, paths: Sequence[Path], ours: list[float]) -> list[Line]:
    """MediaPipe on the same pictures, and our detection over it; a line that says why not.

    Args:
        python: That has MediaPipe; None where nobody named one.
        paths: Of the pictures.
        ours: Seconds of detection, per run.
    """
    name, runs = "MediaPipe's face mesh", len(ours)
    if python is None:
        return [missing(name, "--mediapipe PYTHON names none")]
    try:
        theirs = statistics.median(mediapipe_seconds(python, paths, runs))
    except FaceLLMError as error:
        return [missing(name, str(error))]
    ratio = theirs / statistics.median(ours)
    return [
        Line(name, len(paths) / theirs, " pictures/s", None, runs),
        Line("detection over MediaPipe's face mesh, same pictures", ratio, "x", None, runs),
    ]


def stage_lines(seconds: dict[str, list[float]], faces: int) -> list[Line]:
    """The whole and its stages; the whole takes what the stages take together.

    Args:
        seconds: ``decode``, ``detect``, ``read`` -> seconds for all pictures, per run.
        faces: Found in them.
    """
    median = {name: statistics.median(values) for name, values in seconds.items()}
    whole, runs = sum(median.values()), len(seconds["read"])
    return [
        Line("read, 1 MP photographs", PICTURES / whole, " pictures/s", None, runs),
        Line("read, 1 MP photographs", faces / whole, " faces/s", None, runs),
        Line("decoding alone", PICTURES / median["decode"], " pictures/s", None, runs),
        Line("detection alone", PICTURES / median["detect"], " pictures/s", None, runs),
        Line("reading alone", faces / median["read"], " faces/s", None, runs),
    ]


def table_lines(assistant: FaceAssistant, runs: int, mediapipe: Path | None = None) -> list[Line]:
    """Everything of the module docstring."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{index:02}.jpg" for index in range(PICTURES)]
        for index, path in enumerate(paths):
            Image.fromarray(new_photo(index)).save(path, quality=92)
        seconds, faces = stage_seconds(assistant, paths, runs)
        lines = stage_lines(seconds, faces)
        lines += mediapipe_lines(mediapipe, paths, seconds["detect"])
        size = assistant.checkpoint.processor.crop_size
        picture = load_image(paths[0])
        crop = upright_crop(picture, assistant.detector.detect(picture)[0], size)
    return lines + network_lines([crop] * PICTURES, assistant, runs)
