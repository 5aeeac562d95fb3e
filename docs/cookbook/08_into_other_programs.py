"""Into other programs: JSON lines for a stream, py-feat's table class where it is installed.

Run: ``python docs/cookbook/08_into_other_programs.py [FOLDER]``
The same by command: ``facellm read FOLDER -o faces.jsonl`` (a line of JSON per face)
Gives: ``cookbook-output/faces.jsonl``, read back line by line and by pandas; if py-feat is
installed the table as its ``Fex`` with its emotions, without it the same columns by their names.
Our tests run the second way only. OpenFace's and ARKit's columns: ``--columns openface``,
``--columns arkit``.
"""

import json
import sys

import pandas as pd
import sample_pictures

from facellm.cli import main as facellm
from facellm.table_columns import FEAT_BOX, FEAT_EMOTIONS, POINTS


def main() -> None:
    """Write JSON lines, then load them the way others would."""
    out = sample_pictures.OUT
    folder = sys.argv[1] if len(sys.argv) > 1 else sample_pictures.folder(out / "album")
    out.mkdir(exist_ok=True)
    table = out / "faces.jsonl"
    code = facellm(["read", str(folder), "-o", str(table), "--quiet"])
    if code:
        sys.exit(code)
    with table.open(encoding="utf-8") as lines:  # any language that knows JSON can do this
        for line in lines:
            face = json.loads(line)
            print(face["input"], face["face"], face["expression"], round(face["happiness"], 3))
    faces = pd.read_json(table, lines=True)
    units = [name for name in faces.columns if name.startswith("AU")]
    try:
        from feat import Fex
    except ImportError:
        print("py-feat is not installed; its columns by name:")
        print(faces[[*FEAT_EMOTIONS]].mean().round(3).to_string())
        return
    fex = Fex(
        faces,
        au_columns=units,
        emotion_columns=list(FEAT_EMOTIONS),
        facebox_columns=list(FEAT_BOX),
        landmark_columns=list(POINTS),
    )
    print("as py-feat's Fex:\n" + fex[fex.emotion_columns].mean().round(3).to_string())


if __name__ == "__main__":
    main()
