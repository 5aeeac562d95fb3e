"""The sets the readers know: title, layout, labels and terms, in one table.

Terms are what the source itself states, in a few words; they go with every record. Where a source's
statement was not seen, they say so. Nothing here gives anybody a right to a set.
"""

from __future__ import annotations

from dataclasses import dataclass

UNKNOWN = "terms unknown: ask the source"
AGREEMENT = "by signed agreement with the source; do not pass on"


@dataclass(frozen=True)
class Source:
    """One set.

    Attributes:
        title: Name people know it by.
        layout: What the path handed to its reader holds.
        labels: What it labels.
        terms: Its terms in a few words.
    """

    title: str
    layout: str
    labels: str
    terms: str


SOURCES = {
    "fer2013": Source(
        "FER2013",
        "fer2013.csv (emotion, pixels, Usage)",
        "7 expressions",
        "web pictures of the ICML 2013 challenge, no licence: research use, do not pass on",
    ),
    "ferplus": Source(
        "FER+",
        "folder with fer2013.csv and fer2013new.csv, or one parquet file",
        "votes of 10 taggers over 8 expressions, unknown and no face",
        "labels MIT; pictures of FER2013, no licence: research use, do not pass on",
    ),
    "utkface": Source(
        "UTKFace",
        "folder of age_gender_race_date.jpg, or one parquet file",
        "age, gender",
        "non-commercial research",
    ),
    "affectnet": Source(
        "AffectNet",
        "training.csv and validation.csv with their pictures, or train_set/ and val_set/ of .npy",
        "8 expressions, valence, arousal, 68 points",
        AGREEMENT,
    ),
    "rafdb": Source(
        "RAF-DB (basic)",
        "folder with EmoLabel/list_patition_label.txt, Image/, Annotation/manual/",
        "7 expressions, gender, age group",
        AGREEMENT,
    ),
    "disfa": Source(
        "DISFA",
        "folder with ActionUnit_Labels/SN001/SN001_au1.txt and extracted frames",
        "12 action units, 0 to 5 a frame",
        AGREEMENT,
    ),
    "bp4d": Source(
        "BP4D",
        "folder with AUCoding/F001_T1.csv (or AUCoding/AU_OCC/) and frames",
        "action units, present or not a frame",
        AGREEMENT,
    ),
    "celeba": Source(
        "CelebA",
        "folder with list_attr_celeba and list_eval_partition, .txt or .csv, and pictures",
        "40 yes/no attributes",
        "non-commercial research as commonly stated; statement not seen: ask the source",
    ),
    "morph": Source("MORPH II", "its CSV file, photos beside it", "age, gender", AGREEMENT),
    "ffpp": Source(
        "FaceForensics++",
        "folder with original_sequences/, manipulated_sequences/ and splits/",
        "real or manipulated, by method",
        "by request form of the source; do not pass on",
    ),
    "dfew": Source(
        "DFEW",
        "folder with EmoLabel_DataSplit/ and Clip/",
        "7 expressions a clip",
        AGREEMENT,
    ),
    "crema_d": Source(
        "CREMA-D",
        "folder with VideoFlash/ and VideoDemographics.csv",
        "6 acted expressions a clip, age and gender of the actor",
        "Open Database License as commonly stated; statement not seen: ask the source",
    ),
    "mafw": Source(
        "MAFW",
        "folder with 'Train & Test Set/single/no_caption/' and data/clips/ or data/frames/",
        "11 expressions a clip, 8 of them with a counterpart",
        "non-commercial research; do not pass on clips or derived data",
    ),
    "ferv39k": Source(
        "FERV39k",
        "folder with 4_setups/All_scenes/ and 2_ClipsforFaceCrop/",
        "7 expressions a clip",
        "non-commercial research; do not pass on pictures or derived data",
    ),
    "raer": Source(
        "RAER",
        "list file of 'frames-folder number class'",
        "5 study behaviours a clip",
        "non-commercial; by e-mail request of faculty only; do not pass on",
    ),
    "infer": Source(
        "InFER",
        "folder a class, or a CSV with the options of plain_csv",
        "7 expressions",
        UNKNOWN,
    ),
    "venus": Source(
        "VENUS",
        "parquet shards, or JSON, or JSON lines",
        "dialogues with words, times and nonverbal features",
        "paper CC BY-NC-ND; " + UNKNOWN + " for the records",
    ),
    "fairface": Source(
        "FairFace",
        "folder with fairface_label_train.csv, fairface_label_val.csv, train/, val/",
        "age group, gender",
        "CC BY 4.0",
    ),
    "real_vs_stylegan2": Source(
        "FFHQ photographs and StyleGAN2 faces",
        "one parquet file",
        "real or generated",
        "CC BY-NC-SA 4.0",
    ),
    "face_mask": Source(
        "Faces with and without a mask",
        "one parquet file",
        "mask",
        "repository MIT; picture rights unclear: research use, do not pass on",
    ),
    "ytf_landmarks": Source(
        "YouTube Faces frames with 68 points",
        "one parquet file",
        "68 published points",
        "repository MIT; frames of YouTube Faces: research use",
    ),
    "class_folders": Source("Folder a class", "folder/[split/]class/picture", "as named", UNKNOWN),
    "plain_csv": Source("Plain CSV", "a CSV file and its options", "as mapped", UNKNOWN),
    "forged": Source(
        "Forgeries made by `facellm build forge`",
        "the folder it wrote",
        "manipulated or not, family, mask, regions",
        "those of the set the pictures were made from",
    ),
    "synth": Source(
        "Renders made by `facellm build synth`",
        "the folder it wrote",
        "action units, points, pose, light, skin",
        "ICT-FaceKit light: MIT",
    ),
}
