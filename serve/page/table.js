// Copies of what was read: JSON, and CSV with the columns of `facellm read`. Landmarks stay out.

import { byId } from "./dom.js";

/** What the page knows, as one object. */
export function record({ picture, faces, talks, notice }) {
  return {
    picture: { name: picture.name, size: [picture.width, picture.height] },
    faces: faces.map(({ place, ...face }) => face),
    conversation: talks.flatMap(({ face, exchanges }) =>
      exchanges.map(({ question, answer, whole }) => ({ face, question, answer, whole }))),
    notice,
  };
}

/** A row per face. `held`: units that may be filled (all where the server does not say). */
export function csv(faces, name, columns, held) {
  const rows = faces.map((face) => rowOf(face, name, held));
  const lines = rows.map((row) => columns.map((column) => cell(row[column])).join(","));
  return [columns.join(","), ...lines, ""].join("\n");
}

function rowOf({ id, place: { box_xyxy: box, score }, reading }, name, held) {
  const [yaw, pitch, roll] = reading.pose ?? [];
  const shares = Object.entries(reading.expression ?? {}); // a server may leave them out
  const top = shares.length ? shares.reduce((a, b) => (b[1] > a[1] ? b : a))[0] : undefined;
  const row = {
    input: name, frame: 0, face: id,
    FaceRectX: box[0], FaceRectY: box[1],
    FaceRectWidth: box[2] - box[0], FaceRectHeight: box[3] - box[1],
    FaceScore: score, Pitch: pitch, Roll: roll, Yaw: yaw,
    ...reading.expression,
    expression: reading.abstain ? undefined : top,
    confidence: reading.confidence,
    apparent_age: reading.age.mean,
    apparent_age_low: reading.age.low,
    apparent_age_high: reading.age.high,
    apparent_male: reading.gender.male,
    mask: reading.mask, mouth_open: reading.mouth_open, eyes_closed: reading.eyes_closed,
    gaze_yaw: reading.gaze[0], gaze_pitch: reading.gaze[1], generated: reading.generated,
    landmark_quality: reading.geometry ? reading.quality : undefined,
  };
  for (const [unit, { probability, intensity }] of Object.entries(reading.action_units)) {
    if (held && !held.includes(Number(unit.slice(2)))) continue;
    row[unit] = probability;
    row[`${unit.toLowerCase()}_intensity`] = intensity;
  }
  for (const [measure, z] of Object.entries(reading.geometry ?? {})) row[`z_${measure}`] = z;
  return row;
}

function cell(value) {
  if (value == null) return "";
  if (typeof value === "number") return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value; // no formula of a file's name
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Put text on the clipboard; false where the browser does not let a page do so. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    byId("copy-text").value = text;
    byId("copy-dialog").showModal();
    byId("copy-text").select();
    return false;
  }
}
