"""A folder of photographs to a table, with its manifest and a paragraph for the methods section.

Run: ``python docs/cookbook/02_folder_to_table.py [FOLDER]``
The same by command: ``facellm read FOLDER -o faces.csv``
Gives: ``cookbook-output/faces.csv`` (one row per face), a list of the pictures that gave no row, a
manifest, and the methods paragraph on the screen.
"""

import json
import sys

import pandas as pd
import sample_pictures

from facellm.cli import main as facellm


def main() -> None:
    """Read the folder, then look at what lies beside the table."""
    out = sample_pictures.OUT
    folder = sys.argv[1] if len(sys.argv) > 1 else sample_pictures.folder(out / "album")
    out.mkdir(exist_ok=True)
    table = out / "faces.csv"
    code = facellm(["read", str(folder), "-o", str(table)])
    if code:
        sys.exit(code)
    faces = pd.read_csv(table)
    print(f"{len(faces)} rows, {len(faces.columns)} columns")
    print(faces[["input", "face", "expression", "confidence", "AU12"]].to_string(index=False))
    manifest = json.loads(table.with_name("faces.csv.manifest.json").read_text())
    print("\ncounts:", manifest["counts"])
    print("units filled:", manifest["thresholds"]["units_filled"])
    print("\nmethods paragraph:\n" + manifest["methods"])


if __name__ == "__main__":
    main()
