"""What the examples of ``facellm eval`` name: made-up sets, runs to compare, words of a card."""

import json
import os
import shutil
from pathlib import Path

import eval_toys

from facellm.cli import main
from facellm.labels import split_of

SECTIONS = ("intended_use", "factors", "training_data", "ethical_considerations", "caveats")
MODELS = {"measured": "sure", "later": "constant", "final": "sure"}


def is_eval(command):
    """Whether a command is one of ``facellm eval``."""
    return command.split()[:2] == ["facellm", "eval"]


def lay_out(folder):
    """Sets and words in a folder, once."""
    os.environ["FACELLM_EVAL"] = str(folder / "kept")
    if (folder / "ferplus").is_dir():
        return
    eval_toys.write_ferplus(folder / "ferplus")
    write_utkface(folder / "utkface")
    (folder / "card.yaml").write_text("\n".join(f"{name}: some words" for name in SECTIONS))
    (folder / "CARD.md").write_text("<!-- eval -->\n<!-- end of eval -->\n")


def write_utkface(folder, count=4):
    """A few pictures that all lie in the validation split."""
    folder.mkdir()
    names = (f"{20 + n % 50}_{n % 2}_{n % 5}_{20170100000000000 + n}.jpg" for n in range(1000))
    kept = [name for name in names if split_of(f"utkface/{name}") == "valid"][:count]
    for number, name in enumerate(kept):
        (folder / name).write_bytes(eval_toys.png(number, side=64))


def prepare(command, folder):
    """What a command takes for granted, and room for what it writes."""
    lay_out(folder)
    words = command.split()
    if words[2] == "run" and "--resume" not in words:
        shutil.rmtree(words[words.index("-o") + 1], ignore_errors=True)
    for word in words:
        if word.endswith("results.json") and not Path(word).is_file():
            finished(Path(word).parent)


def finished(out):
    """A run, whole enough for a card."""
    model = f"eval_toys:{MODELS[out.name]}"
    told = ["--final"] if out.name == "final" else []
    words = ["eval", "run", "--tasks", "ferplus", "--no-floor", "--quiet"]
    assert main([*words, "--model", model, "-o", str(out), *told]) == 0
    record = json.loads((out / "results.json").read_text())
    record["model"]["training_data"] = {"utkface": ["train"]}
    metric = record["tasks"]["ferplus"]["metrics"][0]
    group = {"column": "group", "metric": "accuracy", "too_small": {}, "difference": None}
    record["tasks"]["ferplus"]["groups"] = [group | {"groups": [{"group": "one", **metric}]}]
    (out / "results.json").write_text(json.dumps(record))
