"""Which code of each set means which of our labels: the sets' own ids, as data.

A code that means a state without a counterpart among ``labels.EXPRESSIONS`` maps to None: its rows
are rejections, not near misses. Each table says where the codes were checked.
"""

from __future__ import annotations

# FER2013, column "emotion" of fer2013.csv (order of the challenge).
FER2013 = {
    "0": "anger",
    "1": "disgust",
    "2": "fear",
    "3": "happiness",
    "4": "sadness",
    "5": "surprise",
    "6": "neutral",
}
# AffectNet, column "expression" and "*_exp.npy": eight labels, then none, uncertain, no face.
AFFECTNET: dict[str, str | None] = {
    "0": "neutral",
    "1": "happiness",
    "2": "sadness",
    "3": "surprise",
    "4": "fear",
    "5": "disgust",
    "6": "anger",
    "7": "contempt",
    "8": None,
    "9": None,
    "10": None,
}
AFFECTNET_NO_FACE = "10"
# RAF-DB, second column of list_patition_label.txt.
RAF_DB = {
    "1": "surprise",
    "2": "fear",
    "3": "disgust",
    "4": "happiness",
    "5": "sadness",
    "6": "anger",
    "7": "neutral",
}
# DFEW, column "label" of set_*.csv; 0 marks clips without a single label.
DFEW: dict[str, str | None] = {
    "0": None,
    "1": "happiness",
    "2": "sadness",
    "3": "neutral",
    "4": "anger",
    "5": "surprise",
    "6": "disgust",
    "7": "fear",
}
# CREMA-D, third part of a file name: what the actor was asked to show.
CREMA_D = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happiness",
    "NEU": "neutral",
    "SAD": "sadness",
}
# MAFW, single-label lists: eleven words.
MAFW: dict[str, str | None] = {
    "anger": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happiness": "happiness",
    "neutral": "neutral",
    "sadness": "sadness",
    "surprise": "surprise",
    "contempt": "contempt",
    "anxiety": None,
    "helplessness": None,
    "disappointment": None,
}
# FERV39k, second column of *_All.csv.
FERV39K = {
    "Angry": "anger",
    "Disgust": "disgust",
    "Fear": "fear",
    "Happy": "happiness",
    "Neutral": "neutral",
    "Sad": "sadness",
    "Surprise": "surprise",
}
# RAER, third column of a list file, counted from 1; ours are names of behaviour, not of states.
RAER = {
    "1": "attending",  # Neutrality
    "2": "smiling at task",  # Enjoyment
    "3": "puzzled look",  # Confusion
    "4": "tired look",  # Fatigue
    "5": "looking away",  # Distraction
}
# Words people name folders and columns by, in lower case.
WORDS = {
    "neutral": "neutral",
    "neutrality": "neutral",
    "happy": "happiness",
    "happiness": "happiness",
    "joy": "happiness",
    "surprise": "surprise",
    "surprised": "surprise",
    "sad": "sadness",
    "sadness": "sadness",
    "angry": "anger",
    "anger": "anger",
    "disgust": "disgust",
    "disgusted": "disgust",
    "fear": "fear",
    "fearful": "fear",
    "afraid": "fear",
    "contempt": "contempt",
}
