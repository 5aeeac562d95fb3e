"""Made-up trees of labelled sets for the tasks, and functions that answer by a picture's grey.

An item is what is true and what the fake model shall say; the grey of its picture is the place of
the latter among the task's options. Every tree of expressions has one row more, with a label that
is none of the set's.
"""

import json
from itertools import count

import numpy as np
from clip_files import flat, write_video
from face_trees import picture, text

from facellm.eval.harness.models.function import FunctionModel
from facellm.eval.harness.runner import Plan, run_task
from facellm.eval.harness.store import AnswerStore
from facellm.labels import EXPRESSIONS, split_of
from facellm.readers import emotion_codes as codes

FIRST, STEP = 20, 18  # greys


def grey(place):
    return FIRST + STEP * place


def place_in(pictures):
    """The place a picture's grey stands for."""
    return round((float(np.mean([picture.mean() for picture in pictures])) - FIRST) / STEP)


def chosen(pictures, prompt, options):
    """Surely the option at the place the pictures show."""
    place = place_in(pictures)
    return {name: 0.9 if n == place else 0.1 / (len(options) - 1) for n, name in enumerate(options)}


def run(task, path, split, function=chosen, ways=("options",)):
    """A task by a function; (result, value by metric)."""
    model = FunctionModel("fake", function)
    model.ways = ways
    result = run_task(Plan(task, path, split), model, AnswerStore(None, None))
    return result, {metric.name: found.value for metric, found in result.measured()}


def inverse(table):
    return {label: code for code, label in table.items() if label}


def valid_names(pattern, key, number):
    """The first names whose key lies in the validation split."""
    names = (pattern.format(n) for n in count(1))
    found = (name for name in names if split_of(key.format(name)) == "valid")
    return [next(found) for _ in range(number)]


def shade(said, labels=EXPRESSIONS):
    return grey(labels.index(said))


SEVEN = tuple(name for name in EXPRESSIONS if name != "contempt")
ACTED = tuple(name for name in SEVEN if name != "surprise")


def rafdb(folder, items):
    lines = ["test_9999.jpg 8"]
    for n, (true, said) in enumerate(items):
        lines.append(f"test_{n:04d}.jpg {inverse(codes.RAF_DB)[true]}")
        picture(folder / f"basic/Image/aligned/test_{n:04d}_aligned.jpg", shade(said, SEVEN))
    text(folder / "basic/EmoLabel/list_patition_label.txt", *lines)
    return "test"


def fer2013(folder, items):
    rows = [(inverse(codes.FER2013)[true], shade(said, SEVEN)) for true, said in items]
    lines = [f"{code},{' '.join([str(level)] * 2304)},PublicTest" for code, level in rows]
    text(folder / "fer2013.csv", "emotion,pixels,Usage", *lines, lines[0].replace("3,", "9,", 1))
    return "valid"


def affectnet(folder, items):
    head = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,"
    lines = []
    for n, (true, said) in enumerate(items):
        picture(folder / f"Manually_Annotated_Images/7/{n}.jpg", shade(said))
        lines.append(f"7/{n}.jpg,0,0,8,8,NULL,{inverse(codes.AFFECTNET)[true]},0.1,0.1")
    place = folder / "Manually_Annotated_file_lists/validation.csv"
    text(place, head + "valence,arousal", *lines, "7/0.jpg,0,0,8,8,NULL,12,0.1,0.1")
    return "test"


def dfew(folder, items):
    lists = folder / "EmoLabel_DataSplit"
    rows = [f"{n},{inverse(codes.DFEW)[true]}" for n, (true, _) in enumerate(items, 1)]
    text(lists / "train(single-labeled)/set_1.csv", "video_name,label")
    text(lists / "test(single-labeled)/set_1.csv", "video_name,label", *rows, "1,8")
    for n, (_, said) in enumerate(items, 1):
        for frame in range(3):
            picture(folder / f"Clip/clip_224x224_16f/{n:05d}/{frame}.jpg", shade(said, SEVEN))
    return "test"


def crema_d(folder, items):
    """Real small videos of one actor."""
    (folder / "VideoFlash").mkdir(parents=True)
    (actor,) = valid_names("{}", "crema_d/{}", 1)
    for (true, said), sentence in zip(items, ("DFA", "IEO", "IOM", "ITH", "ITS"), strict=True):
        name = f"{actor}_{sentence}_{inverse(codes.CREMA_D)[true]}_XX.mp4"
        write_video(folder / "VideoFlash" / name, [flat(shade(said, ACTED))] * 10)
    write_video(folder / "VideoFlash" / f"{actor}_DFA_JOY_XX.mp4", [flat(9)])
    return "valid"


def mafw(folder, items):
    lists = folder / "Train & Test Set/single/no_caption/set_1"
    text(lists / "train.txt", "")
    rows = [f"{n:05d}.mp4 {true}" for n, (true, _) in enumerate(items)]
    text(lists / "test.txt", *rows, "00009.mp4 cheer")
    for n, (_, said) in enumerate(items):
        picture(folder / f"data/frames/{n:05d}/1.png", shade(said))
    return "test"


def ferv39k(folder, items):
    rows = []
    for n, (true, said) in enumerate(items):
        rows.append(f"Crisis/{n} {inverse(codes.FERV39K)[true]}")
        picture(folder / f"2_ClipsforFaceCrop/Crisis/{n}/1.jpg", shade(said, SEVEN))
    text(folder / "4_setups/All_scenes/train_All.csv", "")
    text(folder / "4_setups/All_scenes/test_All.csv", *rows, "Crisis/0 Bored")
    return "test"


STUDY = {"happiness": 2, "sadness": 4, "neutral": 1}  # classes of RAER in place of expressions


def raer(folder, items):
    rows = []
    for n, (true, said) in enumerate(items):
        rows.append(f"frames/{n} 8 {STUDY[true]}")
        picture(folder / f"frames/{n}/1.jpg", grey(STUDY[said] - 1))
    text(folder / "test.txt", *rows, "frames/0 8 9")
    return "test"


def ffpp(folder, items):
    """Real small videos; an item is (video, method or None, grey), all of the validation part."""
    text(folder / "splits/val.json", json.dumps([["000", "001"]]))
    for name in ("train", "test"):
        text(folder / f"splits/{name}.json", "[]")
    for video, method, level in items:
        kind = f"manipulated_sequences/{method}" if method else "original_sequences/youtube"
        place = folder / kind / "c23/videos" / f"{video}.mp4"
        place.parent.mkdir(parents=True, exist_ok=True)
        write_video(place, [flat(level)] * 9)
    return "valid"
