// Places on a face, drawn from its 68 landmarks (pixels of the picture).

import { svg } from "./dom.js";

const CLOSED = new Set(["eye_left", "eye_right", "lips", "inner_mouth"]);
// The cheeks are none of the nine regions; they lie between jaw, mouth, nose and eyes.
const CHEEKS = {
  cheek_left: [1, 2, 3, 48, 31, 40, 41],
  cheek_right: [15, 14, 13, 54, 35, 47, 46],
};
// Regions of the parts of a face that `labels.FACS` names.
const PARTS = {
  brows: ["brow_left", "brow_right"],
  eyes: ["eye_left", "eye_right"],
  nose: ["nose", "nostrils"],
  cheeks: ["cheek_left", "cheek_right"],
  mouth: ["lips", "inner_mouth"],
};
const MEASURES = {
  lip_corner_lift: ["lips"],
  mouth_open: ["inner_mouth"],
  brow_height: ["brow_left", "brow_right"],
};
const WORDS = [
  [/^lip corners?$/i, MEASURES.lip_corner_lift],
  [/^mouth opening$/i, MEASURES.mouth_open],
  [/^brows?$/i, PARTS.brows],
  [/^eyes?$/i, PARTS.eyes],
  [/^nose$/i, PARTS.nose],
  [/^cheeks?$/i, PARTS.cheeks],
  [/^(mouth|lips?)$/i, PARTS.mouth],
];
const MENTION = /AU\d+(?: \([^)]*\))?|Face \d+|lip corners?|mouth opening|\b(?:brows?|eyes?|nose|cheeks?|mouth|lips?)\b/gi;

export const regionsOfPart = (part) => PARTS[part] ?? [];
export const regionsOfMeasure = (name) => MEASURES[name] ?? [];

/** A region's name in words: `eye_left` is the left eye, as the viewer sees it. */
export function regionWords(name) {
  const [part, side] = name.split("_");
  return side === "left" || side === "right" ? `${side} ${part}` : name.replace("_", " ");
}

/** One group with a path per region of a face; empty where the face has no landmarks. */
export function drawRegions(face, slices) {
  const points = face.place.landmarks;
  const group = svg("g", { class: "regions" });
  if (!points) return group;
  for (const [name, [start, stop]] of Object.entries(slices)) {
    group.append(outline(name, points.slice(start, stop), CLOSED.has(name)));
  }
  for (const [name, numbers] of Object.entries(CHEEKS)) {
    const path = outline(name, numbers.map((number) => points[number]), true);
    path.classList.add("extra"); // drawn only where something points at it
    group.append(path);
  }
  return group;
}

function outline(name, points, closed) {
  const line = points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join(" L ");
  const path = svg("path", { d: `M ${line}${closed ? " Z" : ""}`, class: `region part-${name}` });
  if (closed) path.classList.add("closed");
  path.dataset.region = name;
  return path;
}

/**
 * Split an answer where it speaks of something that can be shown.
 *
 * Yields `{ text }` or `{ text, face, regions }`; `face` is the one the sentence is about, null
 * where none was named before.
 */
export function* mentions(answer, units) {
  let face = null;
  let done = 0;
  for (const match of answer.matchAll(MENTION)) {
    const text = match[0];
    if (match.index > done) yield { text: answer.slice(done, match.index) };
    done = match.index + text.length;
    const [, number] = /^face (\d+)$/i.exec(text) ?? [];
    if (number) face = Number(number);
    yield { text, face, regions: number ? [] : regionsNamed(text, units) };
  }
  if (done < answer.length) yield { text: answer.slice(done) };
}

function regionsNamed(text, units) {
  const [, number] = /^AU(\d+)\b/i.exec(text) ?? [];
  if (number) return regionsOfPart(units.find((unit) => unit.number === Number(number))?.region);
  return WORDS.find(([pattern]) => pattern.test(text))?.[1] ?? [];
}
