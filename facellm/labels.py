"""Closed label sets, FACS names, reserved tokens, readout queries and the split function.

Data, the one source of truth: corpus, training, evaluation, serving and tables all read it here.
The vocabulary is frozen in its first version (ARCHITECTURE.md, decision 9): append nothing, reorder
nothing; the spare tokens at the end are for later capabilities.

Example: the query ``<q_expr>`` is answered by one of eight tokens ``<expr_neutral>`` ...; the
language model's next-token distribution restricted to those eight ids is the expression reading.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

EXPRESSIONS = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
)

# The frozen action-unit order (FACS numbers).
ACTION_UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 18, 20, 22, 24, 25, 26, 28, 43)


@dataclass(frozen=True)
class ActionUnit:
    """One FACS action unit.

    Attributes:
        number: FACS number.
        name: Name in the FACS manual.
        phrase: What it looks like, in plain words, for sentences.
        region: Part of the face that moves: brows, eyes, nose, cheeks or mouth.
        arkit: ARKit blendshape stems that approximate it (ICT-FaceKit's table).
    """

    number: int
    name: str
    phrase: str
    region: str
    arkit: tuple[str, ...]


FACS = {
    unit.number: unit
    for unit in (
        ActionUnit(1, "Inner Brow Raiser", "the inner brows are raised", "brows", ("browInnerUp",)),
        ActionUnit(2, "Outer Brow Raiser", "the outer brows are raised", "brows", ("browOuterUp",)),
        ActionUnit(4, "Brow Lowerer", "the brows are lowered", "brows", ("browDown",)),
        ActionUnit(5, "Upper Lid Raiser", "the upper lids are raised", "eyes", ("eyeWide",)),
        ActionUnit(6, "Cheek Raiser", "the cheeks are raised", "cheeks", ("cheekSquint",)),
        ActionUnit(7, "Lid Tightener", "the eyelids are tightened", "eyes", ("eyeSquint",)),
        ActionUnit(9, "Nose Wrinkler", "the nose is wrinkled", "nose", ("noseSneer",)),
        ActionUnit(10, "Upper Lip Raiser", "the upper lip is raised", "mouth", ("mouthUpperUp",)),
        ActionUnit(
            12, "Lip Corner Puller", "the lip corners are pulled up", "mouth", ("mouthSmile",)
        ),
        ActionUnit(14, "Dimpler", "the lip corners are tightened", "mouth", ("mouthDimple",)),
        ActionUnit(
            15, "Lip Corner Depressor", "the lip corners are pulled down", "mouth", ("mouthFrown",)
        ),
        ActionUnit(
            16, "Lower Lip Depressor", "the lower lip is pulled down", "mouth", ("mouthLowerDown",)
        ),
        ActionUnit(
            17, "Chin Raiser", "the chin is raised", "mouth", ("mouthShrugLower", "mouthShrugUpper")
        ),
        ActionUnit(18, "Lip Pucker", "the lips are puckered", "mouth", ("mouthPucker",)),
        ActionUnit(20, "Lip Stretcher", "the lips are stretched", "mouth", ("mouthStretch",)),
        ActionUnit(22, "Lip Funneler", "the lips are funneled", "mouth", ("mouthFunnel",)),
        ActionUnit(24, "Lip Pressor", "the lips are pressed", "mouth", ("mouthPress",)),
        ActionUnit(25, "Lips Part", "the lips are parted", "mouth", ("mouthClose",)),
        ActionUnit(26, "Jaw Drop", "the jaw is dropped", "mouth", ("jawOpen",)),
        ActionUnit(
            28, "Lip Suck", "the lips are sucked in", "mouth", ("mouthRollLower", "mouthRollUpper")
        ),
        ActionUnit(43, "Eyes Closed", "the eyes are closed", "eyes", ("eyeBlink",)),
    )
}

MAX_AGE = 116
AU_LEVELS = 6  # 0 absent, 1..5 = FACS intensities A..E
GAZE_DEGREES = tuple(range(-40, 41, 5))  # centres of the gaze bins, degrees

# What a question asks for; the first two are not about the picture at all.
INTENTS = (
    "off_topic",
    "out_of_bounds",
    "describe",
    "expression",
    "action_units",
    "age",
    "gender",
    "mask",
    "mouth",
    "eyes",
    "pose",
    "gaze",
    "deepfake",
    "count",
    "why",
)
DECLINED = ("off_topic", "out_of_bounds")


def intensity_to_level(intensity: float) -> int:
    """FACS-like level 0-5 of an intensity in [0, 1]; below 0.1 counts as absent."""
    return 0 if intensity < 0.1 else min(AU_LEVELS - 1, 1 + int(intensity * (AU_LEVELS - 1)))


@dataclass(frozen=True)
class Query:
    """One readout: a query token and the label tokens that may answer it.

    Attributes:
        name: Key in the reading: ``expr``, ``au12``, ``age`` ...
        token: The query piece in the prompt's constant suffix.
        labels: Label tokens, in the order of the distribution.
        scope: Where its truth came from: ``trained on real faces`` or ``trained on renders only``.
    """

    name: str
    token: str
    labels: tuple[str, ...]
    scope: str


REAL = "trained on real faces"
RENDERS = "trained on renders only"
MEASURED = "measured"

AU_LEVEL_TOKENS = tuple(f"<level_{i}>" for i in range(AU_LEVELS))
AGE_TOKENS = tuple(f"<age_{i}>" for i in range(MAX_AGE + 1))
GAZE_TOKENS = tuple(f"<deg_{d}>" for d in range(-90, 91, 5) if d in GAZE_DEGREES)
YES_NO = ("<no>", "<yes>")

QUERIES = (
    Query("expr", "<q_expr>", tuple(f"<expr_{e}>" for e in EXPRESSIONS), REAL),
    *(Query(f"au{n}", f"<q_au{n}>", AU_LEVEL_TOKENS, RENDERS) for n in ACTION_UNITS),
    Query("age", "<q_age>", AGE_TOKENS, REAL),
    Query("gender", "<q_gender>", ("<female>", "<male>"), REAL),
    Query("mask", "<q_mask>", YES_NO, REAL),
    Query("mouth_open", "<q_mouth_open>", YES_NO, REAL),
    Query("eyes_closed", "<q_eyes_closed>", YES_NO, RENDERS),
    Query("gaze_yaw", "<q_gaze_yaw>", GAZE_TOKENS, RENDERS),
    Query("gaze_pitch", "<q_gaze_pitch>", GAZE_TOKENS, RENDERS),
    Query("fake", "<q_fake>", ("<real>", "<generated>"), REAL),
)
QUERY_INDEX = {query.name: index for index, query in enumerate(QUERIES)}

# Rounded probabilities and z-scores, written into the context before the answer.
PROBABILITY_TOKENS = tuple(f"<p_{p}>" for p in range(0, 101, 5))
ZSCORE_TOKENS = tuple(f"<z_{z:+d}>" for z in range(-4, 5))
INTENT_TOKENS = tuple(f"<ask_{name}>" for name in INTENTS)

PAD, BOS, EOS, UNK = "<pad>", "<s>", "</s>", "<unk>"
IMAGE_TOKEN = "<face>"  # one per patch of a face crop
SCENE_TOKEN = "<scene>"
CHAT_TOKENS = ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<reading>", "</reading>")


def reserved_tokens() -> list[str]:
    """Every user-defined piece of the frozen tokenizer, in id order after the control pieces."""
    tokens = [IMAGE_TOKEN, SCENE_TOKEN, "<ctx>", "<gap>", *CHAT_TOKENS]
    tokens += [query.token for query in QUERIES]
    tokens += ["<q_intent>", *INTENT_TOKENS]
    for query in QUERIES:
        tokens += [token for token in query.labels if token not in tokens]
    tokens += [f"<deg_{d}>" for d in range(-90, 91, 5) if d not in GAZE_DEGREES]
    tokens += [*PROBABILITY_TOKENS, *ZSCORE_TOKENS, "<unsure>", "<no_geometry>"]
    tokens += [f"<t_{i}>" for i in range(128)]  # time stamps
    tokens += [f"<FACE_{i}>" for i in range(512)] + [f"<BODY_{i}>" for i in range(512)]
    tokens += [f"<spare_{i}>" for i in range(128)]
    return tokens


def split_of(key: str) -> str:
    """Frozen split of a row without a given one: 80 % train, 10 % valid, 10 % test.

    Args:
        key: Stable key of the row (or of its subject, or of its near-duplicate group).

    Returns:
        ``train``, ``valid`` or ``test``.

    Source: ARCHITECTURE.md, "Splits".
    """
    bucket = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % 10
    return ("test", "valid")[bucket] if bucket < 2 else "train"
