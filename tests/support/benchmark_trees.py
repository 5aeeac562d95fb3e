"""Made-up copies of other people's benchmarks, each in its exact layout and as small as it can be.

Questions, answers and pictures are ours. Pictures are grey; ``picture_at`` says which shade.
"""

import csv
import io
import json

import cv2
import numpy as np
from PIL import Image

from facellm.labels import split_of


def write_json(path, record):
    """A JSON file in a folder that is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record))
    return path


def picture_at(path, shade=100, side=16):
    """A grey picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((side, side, 3), shade, np.uint8)).save(path)
    return path


def clip_at(path, frames=4):
    """A clip of grey frames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (32, 32))
    for number in range(frames):
        writer.write(np.full((32, 32, 3), 40 * number, np.uint8))
    writer.release()
    return path


def facexbench_part(folder, name, kind, asked, **more):
    """A part of FaceXBench: (question, options, letter, pictures) each; its pictures are made."""
    category, sub_category = kind
    questions = {}
    for number, (text, options, letter, count) in enumerate(asked, 1):
        paths = [f"images/{name}/question_{number}_{k}.png" for k in range(1, count + 1)]
        for path in paths:
            picture_at(folder / "benchmark" / path)
        answer = options["ABCD".index(letter)]
        questions[str(number)] = {"image_paths": paths, "question_text": text, "options": options}
        questions[str(number)] |= {"correct_answer_option": letter, "answer": answer}
    record = {"category": category, "sub-category": sub_category, "dataset": name.split("_")[0]}
    record |= {"question_type": "MCQ", "num_images": "single", "questions": questions, **more}
    return write_json(folder / "benchmark" / f"{name}.json", record)


def human_bench_file(folder, split, kind, asked, *, cropped=False):
    """A file of Face-Human-Bench: (question, options) each, the first option right."""
    rows = []
    for number, (text, options) in enumerate(asked):
        paths = {"original": f"eval_data/{kind}/{number}.jpg"}
        if cropped:
            paths["cropped"] = f"eval_data/{kind}/{number}_cropped.jpg"
        for path in paths.values():
            picture_at(folder / split / path)
        answers = {"question": text, "options": options, "answer": 0}
        rows.append(
            {"type": kind, "QA": answers, "image": {"image_paths": paths, "source": "made"}}
        )
    return write_json(folder / split / "json" / "en" / f"{kind}.json", {"data": rows})


def facebench(folder, rows):
    """FaceBench: (attribute, view, kind, text, options, answer) each, all about one picture."""
    picture_at(folder / "images" / "7.jpg")
    lines = []
    for number, (attribute, view, kind, text, options, answer) in enumerate(rows):
        record = {"question_id": f"{attribute}_q{number}", "question_type": kind}
        record |= {"image_id": "7.jpg", "text": text, "options": options, "gt_answer": answer}
        record["metadata"] = {"image_source": "made", "view": view, "attribute_level": "level1"}
        lines.append(json.dumps(record))
    (folder / "test.jsonl").write_text("\n".join(lines) + "\n")
    return folder / "test.jsonl"


def faba(folder, emotions=(), units=()):
    """FABA-Bench: (label, reference text) each; a label of None is left out, as in the example."""
    for file, rows in (("eval_emotion_anno.json", emotions), ("eval_au_anno.json", units)):
        records = []
        for number, (label, text) in enumerate(rows):
            place = f"eval/images/{file[5:7]}{number}.jpg"
            picture_at(folder / place)
            record = {"source": "made", "image": f"FABAInstruct/{place}", "id": f"{file}-{number}"}
            if label is None:
                turns = [{"from": "human", "value": "?"}, {"from": "gpt", "value": text}]
                record["conversations"] = turns
            else:
                record |= {"label": label, "gpt4": text}
            records.append(record)
        write_json(folder / "eval" / file, records)
    return folder


def emer(folder, rows, name="final-EMER-reason.csv"):
    """EMER: (name, reference) each, with a clip for all whose name does not begin with ``lost``."""
    folder.mkdir(parents=True, exist_ok=True)
    newer = name.startswith("final")
    out = io.StringIO()
    lines = csv.writer(out)
    lines.writerow(
        ["names", "chinese", "english"] if newer else ["names", "emotions", "subtitles", "reasons"]
    )
    for clip, text in rows:
        lines.writerow([clip, "-", text] if newer else [clip, "-", "-", text])
        if not clip.startswith("lost"):
            clip_at(folder / "video" / f"{clip}.avi")
    (folder / name).write_text(out.getvalue(), encoding="utf-8-sig")
    return folder


def mme_emotion(folder, part, rows):
    """A task of MME-Emotion: (video, label, label set) each, clips beside the questions."""
    records = [{"video_id": v, "label": label, "label_set": labels} for v, label, labels in rows]
    for video, _, _ in rows:
        clip_at(folder / part / video)
    return write_json(folder / part / "question" / f"{part.replace('-', '_')}.json", records)


def dd_vqa(folder, part, method, clips):
    """DD-VQA: clip -> [(question, answers)], with a frame for all whose name has no ``lost``."""
    record = {}
    for clip, asked in clips.items():
        record[clip] = {
            str(number): {"question": question, "answer": answers}
            for number, (question, answers) in enumerate(asked)
        }
        if "lost" not in clip:
            picture_at(folder / "DQ_FF++" / "images" / f"{clip}.png")
    return write_json(folder / "DQ_FF++" / part / method / f"{method}.json", record)


def utkface(folder, faces):
    """UTKFace's own layout: faces of one split, ``test``, that differ in shade."""
    kept = 0
    for number in range(40 * faces):
        name = f"{20 + number % 40}_{number % 2}_{number % 5}_{20170100000000000 + number}.jpg"
        if kept < faces and split_of(f"utkface/{name}") == "test":
            picture_at(folder / name, 60 + kept, side=96)
            kept += 1
    return folder
