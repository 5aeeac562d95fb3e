"""The reading as the model sees it in its context: rounded, in reserved tokens.

The answer is generated under this text, in training and in use, so words follow numbers. It shows
only what a sentence may say: at most ``MAX_UNITS`` active units, the two likeliest expressions.

Example::

    <reading><expr_happiness><p_90><expr_neutral><p_5><q_au12><level_4><p_95><q_age><age_34>
    <age_27><age_42><female><p_95><q_mask><no><p_100>...</reading>
"""

from __future__ import annotations

from facellm.labels import AU_LEVELS, EXPRESSIONS, GAZE_DEGREES, MAX_AGE
from facellm.reading import Reading

MAX_UNITS = 4
# Geometry an answer may cite: measure -> words. z-scores against neutral faces. Eye opening and
# brow gap are left out: our landmarks measure them too loosely to be a reason (MODEL_CARD.md).
CITED_GEOMETRY = {
    "lip_corner_lift": "lip corners",
    "mouth_open": "mouth opening",
    "brow_height": "brows",
}


def probability_token(probability: float) -> str:
    """Rounded to 5 %: 0.93 -> ``<p_95>``."""
    return f"<p_{5 * round(20 * min(max(probability, 0.0), 1.0))}>"


def angle_token(degrees: float, largest: int = 90) -> str:
    """Rounded to 5 degrees and clipped: 12.0 -> ``<deg_10>``."""
    return f"<deg_{max(-largest, min(largest, 5 * round(degrees / 5)))}>"


def zscore_token(value: float) -> str:
    """Rounded and clipped to +-4: 1.8 -> ``<z_+2>``."""
    return f"<z_{max(-4, min(4, round(value))):+d}>"


def age_token(years: float) -> str:
    """Whole years, clipped to 0-116."""
    return f"<age_{max(0, min(MAX_AGE, round(years)))}>"


def yes_no(token: str, probability: float) -> str:
    """``<q_mask><yes><p_90>``: the likelier answer and its probability."""
    yes = probability >= 0.5
    return (
        f"{token}<{'yes' if yes else 'no'}>{probability_token(max(probability, 1 - probability))}"
    )


def reading_text(reading: Reading) -> str:
    """Context text of one face's reading."""
    parts = ["<reading>"]
    if reading.abstain:
        parts.append("<unsure>")
    for name in sorted(EXPRESSIONS, key=lambda e: -reading.expression[e])[:2]:
        parts.append(f"<expr_{name}>{probability_token(reading.expression[name])}")
    for number in reading.active_units()[:MAX_UNITS]:
        unit = reading.action_units[number]
        level = max(1, min(AU_LEVELS - 1, round(unit.intensity * (AU_LEVELS - 1))))
        parts.append(f"<q_au{number}><level_{level}>{probability_token(unit.probability)}")
    ages = (reading.age.mean, reading.age.low, reading.age.high)
    parts.append("<q_age>" + "".join(age_token(years) for years in ages))
    gender = max(reading.gender, key=lambda name: reading.gender[name])
    parts.append(f"<q_gender><{gender}>{probability_token(reading.gender[gender])}")
    parts.append(yes_no("<q_mask>", reading.mask))
    parts.append(yes_no("<q_mouth_open>", reading.mouth_open))
    parts.append(yes_no("<q_eyes_closed>", reading.eyes_closed))
    limit = GAZE_DEGREES[-1]
    parts.append(f"<q_gaze_yaw>{angle_token(reading.gaze[0], limit)}")
    parts.append(f"<q_gaze_pitch>{angle_token(reading.gaze[1], limit)}")
    fake = "generated" if reading.generated >= 0.5 else "real"
    likelier = max(reading.generated, 1 - reading.generated)
    parts.append(f"<q_fake><{fake}>{probability_token(likelier)}")
    if reading.geometry is None or reading.pose is None:
        parts.append("<no_geometry>")
    else:
        parts.append(" pose" + "".join(angle_token(angle) for angle in reading.pose))
        parts += [
            f" {words}{zscore_token(reading.geometry[name])}"
            for name, words in CITED_GEOMETRY.items()
        ]
    return "".join([*parts, "</reading>"])
