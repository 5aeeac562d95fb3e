"""Sets with action units frame by frame: DISFA and BP4D.

DISFA: ``ActionUnit_Labels/SN001/SN001_au12.txt``, lines ``frame,intensity`` of 0..5, one file a
unit. The set ships videos; frames have to be taken out of them, numbered from 1 as in the lists::

    ffmpeg -i LeftVideoSN001_comp.avi Frames/SN001/%d.jpg

BP4D: ``AUCoding/F001_T1.csv`` (BP4D+: ``AUCoding/AU_OCC/F001_T1.csv``). The first line names the
units, the first column is the frame; 1 present, 0 absent, 9 or 999 not coded. Frames lie in
``2D+3D/F001/T1/0001.jpg`` (three or four digits, or none).

Only units of ``labels.ACTION_UNITS`` are kept: 23, 27 and others have no name or readout here. Both
sets are split by subject. Checked: names, columns and codes against public readers of the sets; not
checked: files of the sets themselves. Intensities of BP4D (``AU_INT``) are not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from facellm.errors import FaceLLMError
from facellm.labels import ACTION_UNITS, split_of
from facellm.readers.outcome import NO_LABEL, BadRow, Read, existing, listed, outcomes, required
from facellm.readers.row import FaceRow
from facellm.readers.sources import SOURCES
from facellm.readers.text_files import Line, csv_lines, lines_of, side_by_side

DISFA_UNITS = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
DISFA_STRONGEST = 5
NOT_CODED = ("9", "999")


def unit_lines(file: Path, unit: int) -> Iterator[Line]:
    """Lines of one unit's file as columns ``frame`` and the unit."""
    for number, text in lines_of(file):
        frame, _, value = text.partition(",")
        yield Line({"frame": frame.strip(), str(unit): value.strip()}, file, number)


def disfa_subject(labels: Path, subject: str) -> Iterator[Line]:
    """Lines of all units of one person, joined frame by frame."""
    files = [(unit, labels / subject / f"{subject}_au{unit}.txt") for unit in DISFA_UNITS]
    present = [(unit, file) for unit, file in files if file.is_file()]
    if not present:
        raise FaceLLMError(f"{labels / subject}: holds none of {subject}_au1.txt and its siblings")
    unit, file = present[0]
    joined = unit_lines(file, unit)
    for other, file in present[1:]:
        joined = side_by_side(joined, unit_lines(file, other), "frame")
    return joined


def read_disfa(path: Path, *, frames: str = "Frames/{subject}/{frame}.jpg") -> Iterator[Read]:
    """DISFA, a row a frame; intensities of 0..5 become 0..1.

    Args:
        path: Folder of the set.
        frames: Where the frame of a subject lies under ``path``.
    """
    path = Path(path)
    labels = required(path / "ActionUnit_Labels")
    subjects = sorted(folder.name for folder in labels.iterdir() if folder.is_dir())
    if not subjects:
        raise FaceLLMError(f"{labels}: holds no folder of a subject")
    for subject in subjects:

        def parse(line: Line, subject: str = subject) -> FaceRow:
            frame = line.whole("frame", 0, 10**7)
            units = {
                unit: line.whole(str(unit), 0, DISFA_STRONGEST) / DISFA_STRONGEST
                for unit in DISFA_UNITS
                if str(unit) in line.values
            }
            return FaceRow(
                source="disfa",
                key=f"disfa/{subject}/{frame}",
                split=split_of(f"disfa/{subject}"),
                path=existing(path / frames.format(subject=subject, frame=frame)),
                licence=SOURCES["disfa"].terms,
                where=line.where,
                subject=subject,
                units=units,
            )

        yield from outcomes("disfa", disfa_subject(labels, subject), parse)


def unit_columns(file: Path) -> dict[str, int]:
    """Columns of a BP4D file that name a unit of ours: header text -> FACS number.

    Raises:
        FaceLLMError: If there is none.
    """
    header = next((text for _, text in lines_of(file)), "")
    names = [name.strip() for name in header.split(",")][1:]
    numbers = {name: name.upper().removeprefix("AU") for name in names}
    units = {name: int(n) for name, n in numbers.items() if n.isdigit() and int(n) in ACTION_UNITS}
    if not units:
        raise FaceLLMError(f"{file}, line 1: names no action unit: {names}")
    return units


def read_bp4d(path: Path, *, frames: str = "2D+3D") -> Iterator[Read]:
    """BP4D, a row a coded frame; a unit that was not coded is missing, not absent.

    Args:
        path: Folder of the set.
        frames: Folder of the frames under ``path``, ``SUBJECT/TASK/FRAME.jpg`` in it.
    """
    path = Path(path)
    folder = required(path / "AUCoding" / "AU_OCC", path / "AUCoding")
    files = list(listed(folder, (".csv",)))
    if not files:
        raise FaceLLMError(f"{folder}: holds no .csv file")
    for file in files:
        subject, _, task = file.stem.partition("_")
        units = unit_columns(file)
        first = next(text for _, text in lines_of(file)).split(",")[0].strip()

        def parse(
            line: Line,
            names: tuple[str, str, str] = (subject, task, first),
            units: dict[str, int] = units,
        ) -> FaceRow:
            subject, task, first = names
            frame = line.whole(first, 0, 10**7)
            coded = {
                unit: float(line.whole(name, 0, 1))
                for name, unit in units.items()
                if not line.is_empty(name, NOT_CODED)
            }
            if not coded:
                raise BadRow(NO_LABEL, f"no unit of frame {frame} is coded")
            place = path / frames / subject / task
            spellings = (f"{frame:04d}", f"{frame:03d}", str(frame))
            return FaceRow(
                source="bp4d",
                key=f"bp4d/{subject}/{task}/{frame}",
                split=split_of(f"bp4d/{subject}"),
                path=existing(*(place / f"{name}.jpg" for name in spellings)),
                licence=SOURCES["bp4d"].terms,
                where=line.where,
                subject=subject,
                units=coded,
            )

        yield from outcomes("bp4d", csv_lines(file, (first, *units)), parse)
