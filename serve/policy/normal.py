"""What a person typed -> plain words, whatever it was dressed up as.

Look-alike letters, accents, invisible characters, l33t digits, d.o.t.t.e.d and s p a c e d letters
are undone, so that the rules see words only. Words of a script without blanks (Han, kana) are taken
apart into characters. ``rules/letters.json`` holds the letters of Cyrillic and Greek that are drawn
like a Latin one. Every step is one pass: time grows with the length of the text, no faster.

Example: ``sentences("Wh0 1s  t.h.i.s ?")`` -> ``[["wh0", "1s", "this"]]`` (the digits are read by
``spelling.py``, which knows the words); ``sentences("他是谁")`` -> ``[["他", "是", "谁"]]``.
"""

from __future__ import annotations

import re
import unicodedata

from .data import read_json

LONGEST_WORD = 24  # characters; what is longer is cut, no rule knows such a word
_LOOK_ALIKE = str.maketrans(read_json("letters")["look_alike"])
_NOT_DECOMPOSED = str.maketrans(read_json("letters")["not_decomposed"])
_APOSTROPHES = str.maketrans(dict.fromkeys(read_json("letters")["apostrophes"]))
_INVISIBLE = dict.fromkeys([*range(0x0300, 0x0370), *range(0x064B, 0x0653), 0x0640])
# Letters with the same separator between each two: "w.h.o". Pairs count beside longer ones.
_LETTER, _GAP = r"[^\W_](?![^\W_])", r"[ .\-_*~]"
_PAIR = re.compile(rf"(?<![^\W_]){_LETTER}(?P<gap>{_GAP}){_LETTER}(?:(?P=gap){_LETTER}){{0,64}}+")
_APART = re.compile(rf"(?<![^\W_]){_LETTER}(?P<gap>{_GAP}){_LETTER}(?P=gap){_LETTER}")
_ENDS = re.compile("[" + re.escape(read_json("letters")["ends"]) + "]+")
_FRAMES = re.compile(r"[{}\[\]|\"\n\t<>:]+")
# A word, or one character of a script without blanks; Devanagari's vowel signs belong to words.
_NO_BLANKS = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(
    rf"[{_NO_BLANKS}]|(?:(?![{_NO_BLANKS}])[^\W_]|[\u0900-\u0963\u0970-\u097f]|[@$])++|(?<=\w)!(?=\w)"
)
_LATIN = re.compile(r"[a-z]")
_NUMBER_DOT = re.compile(r"(?<=\d)[.,](?=\d)")


def plain(text: str) -> str:
    """Text in lower case without accents, apostrophes, invisible characters; letters joined."""
    text = unicodedata.normalize("NFKC", text)
    kept = [c for c in text if unicodedata.category(c) not in {"Cf", "Cs", "Co"}]
    text = unicodedata.normalize("NFKD", "".join(kept).casefold())
    text = unicodedata.normalize("NFC", text.translate(_INVISIBLE)).translate(_NOT_DECOMPOSED)
    text = _NUMBER_DOT.sub("", text.translate(_APOSTROPHES))
    return _PAIR.sub(_joined, text) if _APART.search(text) else text


def _joined(match: re.Match[str]) -> str:
    return match[0].replace(match["gap"], "")


def words(text: str) -> list[str]:
    """Words of plain text, look-alike letters undone in words that mix scripts."""
    found = _WORD.findall(text)
    return [_own_script(word)[:LONGEST_WORD] for word in found]


def _own_script(word: str) -> str:
    if word.isascii() or not _LATIN.search(word):
        return word
    return word.translate(_LOOK_ALIKE)


def sentences(text: str) -> list[list[str]]:
    """Sentences as words; where brackets, bars or line ends frame parts, those parts too.

    A sentence that runs over several lines is one, and each of its lines is a part.
    """
    found: list[list[str]] = []
    for sentence in _ENDS.split(plain(text)):
        whole = words(sentence)
        if not whole:
            continue
        found.append(whole)
        parts = [part for part in map(words, _FRAMES.split(sentence)) if part]
        if len(parts) > 1:
            found += parts
    return found
