"""``facellm timeline``: what is drawn lies where its time is, in a page that needs nothing else."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from cli_runs import refused
from clip_files import flat, write_gif, write_video
from PIL import Image
from timelines import REAL_UNITS, shows, timeline_of, units_on

from facellm.assistant import FaceAssistant
from facellm.cli import main
from facellm.clip.opening import open_clip
from facellm.clip.pages import SCALE, dashed, page, picture
from facellm.clip.shapes import COLOURS, Box, Line, Words
from facellm.clip.strips import LEFT, MOST_TRACKS, RIGHT, WIDTH, layout, ticks
from facellm.clip.timeline import read_timeline
from facellm.labels import EXPRESSIONS

CALM = shows("neutral", 0.8)
GLAD = shows("happiness", 0.8, action_units=units_on(12), pose=(20.0, 0.0, 0.0))


@pytest.fixture
def timeline():
    return timeline_of([CALM, CALM, None, None, GLAD, GLAD])


def boxes(sheet, colour):
    return [s for s in sheet.shapes if isinstance(s, Box) and s.colour == colour and s.note]


def test_bands_stand_for_the_shares_and_fill_the_strip(timeline):
    sheet = layout(timeline)
    cells = {}
    for name in EXPRESSIONS:
        for box in boxes(sheet, name):
            cells.setdefault(round(box.left, 3), {})[name] = box.height
    assert len(cells) == 4
    for heights in cells.values():
        assert sum(heights.values()) == pytest.approx(84)
    first, last = cells[min(cells)], cells[max(cells)]
    assert first["neutral"] == pytest.approx(0.8 * 84)
    assert last["happiness"] == pytest.approx(0.8 * 84)


def test_nothing_is_drawn_where_the_face_is_out_of_sight(timeline):
    sheet = layout(timeline)
    # Seen 0-0.5 s and 2-2.5 s of 2.75 s, each sample half a step wide.
    start, end = (LEFT + (WIDTH - LEFT - RIGHT) * t / 2.75 for t in (0.75, 1.75))
    for box in (s for s in sheet.shapes if isinstance(s, Box) and s.top > 90):
        assert box.left >= end - 0.01 or box.left + box.width <= start + 0.01
    assert any(isinstance(s, Words) and "0:00.5 to 0:02.0" in s.text for s in sheet.shapes)
    yaw = [
        s
        for s in sheet.shapes
        if isinstance(s, Line) and s.colour == "yaw" and s.points[0][0] >= LEFT
    ]
    assert len(yaw) == 2


def test_units_are_as_strong_as_their_probability(timeline):
    strengths = [box.strength for box in boxes(layout(timeline), "unit") if "AU12 " in box.note]
    assert strengths == [0.25, 0.25, 0.8, 0.8]
    assert len(boxes(layout(timeline), "unit")) == 4 * len(REAL_UNITS)


def test_the_page_needs_nothing_else_and_shows_names_as_they_are(timeline):
    html = page(layout(timeline), timeline.facts.name)
    assert "<up>" not in html
    assert "made &lt;up&gt; &amp; long.mp4" in html
    assert not re.search(r"(?:src|href)=\"(?!data:)|url\(|@import|<script|<link", html)
    assert "prefers-color-scheme:dark" in html
    svg = html[html.index("<svg") : html.index("</svg>") + 6]
    assert len(ElementTree.fromstring(svg)) == len(layout(timeline).shapes)


def test_the_picture_shows_the_same_bands(timeline):
    drawn = np.asarray(picture(layout(timeline)))
    box = max(boxes(layout(timeline), "happiness"), key=lambda b: b.height)
    x, y = round((box.left + box.width / 2) * SCALE), round((box.top + box.height / 2) * SCALE)
    expected = tuple(int(COLOURS["happiness"][at : at + 2], 16) for at in (1, 3, 5))
    assert tuple(drawn[y, x]) == expected


def test_many_faces_and_none_are_drawn():
    many = layout(timeline_of([CALM] * 3, *[[GLAD]] * 29))
    titles = [s.text for s in many.shapes if isinstance(s, Words) and s.text.startswith("Face ")]
    assert len(titles) == MOST_TRACKS
    assert any(isinstance(s, Words) and s.text.startswith("18 more faces") for s in many.shapes)
    none = layout(timeline_of([None] * 3))
    assert any(isinstance(s, Words) and "no face" in s.text for s in none.shapes)
    assert picture(none).width == SCALE * WIDTH
    one = layout(timeline_of([CALM], spacing=0.0))
    assert all(np.isfinite([s.left, s.width]).all() for s in one.shapes if isinstance(s, Box))


def test_ticks_are_round_and_few():
    for seconds in (0.05, 0.7, 5.2, 61.0, 700.0, 7300.0, 99999.0):
        assert ticks(seconds)[0] == 0
        assert len(ticks(seconds)) <= 10
        assert ticks(seconds)[-1] <= seconds + 1e-6


def test_dashes_are_as_long_as_asked():
    pieces = dashed([(0.0, 0.0), (10.0, 0.0), (10.0, 10.0)], [4, 2])
    lengths = [sum(np.hypot(*np.subtract(b, a)) for a, b in zip(p, p[1:])) for p in pieces]  # noqa: B905, RUF007
    assert lengths == pytest.approx([4, 4, 4, 2])


@pytest.mark.parametrize("ending", ["png", "html"])
def test_the_command_draws_a_clip(tiny_checkpoint, photo, tmp_path, capsys, ending):
    with Image.open(photo) as opened:
        pixels = np.asarray(opened.resize((256, 256)))
    gif = write_gif(tmp_path / "m.gif", [np.roll(pixels, 4 * i, 1) for i in range(3)], 500)
    out = tmp_path / f"out.{ending}"
    assert main(["timeline", str(gif), "-o", str(out), "--model", str(tiny_checkpoint)]) == 0
    assert "over 3 frames, 0:00.0 to 0:01.0, drawn to" in capsys.readouterr().err
    assert out.stat().st_size > 1000


def test_bad_targets_are_refused_before_anything_is_read(capsys, tmp_path):
    assert "legal endings" in refused(capsys, "timeline", "x.mp4", "-o", tmp_path / "o.pdf")
    assert "no such file" in refused(capsys, "timeline", "x.mp4", "-o", tmp_path / "o.png")
    said = refused(capsys, "timeline", "x.mp4", "-o", tmp_path / "o.png", "--samples", "1")
    assert "--samples 1" in said


def test_samples_bound_what_is_looked_at(loaded, tmp_path):
    path = write_video(tmp_path / "l.mp4", [flat(i, (64, 64)) for i in range(200)], rate=2)
    timeline = read_timeline(FaceAssistant(loaded), open_clip(path), 12)
    assert len(timeline.times) == 12
    assert timeline.times[-1] > 92
