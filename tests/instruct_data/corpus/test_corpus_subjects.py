"""Records say who is the same person without saying who."""

from pathlib import Path

from facellm.instruct_data.corpus.assembly import row_labels
from facellm.readers.row import FaceRow


def test_the_same_person_has_one_digest_and_no_name():
    def row(key, subject, source="ytf"):
        return FaceRow(source=source, key=key, split="train", subject=subject)

    first, again, other = (
        row_labels(each, Path("/data"))["subject"]
        for each in (row("1", "person 7"), row("2", "person 7"), row("3", "person 8"))
    )
    assert first == again != other
    assert "person" not in first
    assert row_labels(row("1", "person 7", "other"), Path("/data"))["subject"] != first
    assert "subject" not in row_labels(row("1", None), Path("/data"))
