// What was read off a face: one card each.

import { el } from "./dom.js";
import { faceFigure, showsOn } from "./overlay.js";
import { regionsOfMeasure, regionsOfPart } from "./regions.js";
import { angles, deviation, measureWords, percent } from "./words.js";

const RENDERS = "trained on renders only";
const OLDEST = 100; // years at the end of the age strip

const SHORT = 3; // expressions in a short card

// A server may leave expressions out, where its context of use forbids to tell them.
const told = (reading) => reading.expression !== undefined;

/** The card of a face. `known`: closed label sets; `held`: units that hold up on real faces. */
export function faceCard(face, known, held) {
  const { reading } = face;
  return card(
    face,
    ...shows(face, known, known.expressions.length),
    section("Looks", reading.scope.age, looks(reading)),
    section("Action units", reading.scope.au1, units(face, known, held)),
    section("Also read", "", also(reading)),
  );
}

/** The beginning of a card, for one of several faces; `more()` shows all of it. */
export function shortCard(face, known, more) {
  const button = el("button", { type: "button", class: "quiet", onclick: more },
    `Everything about face ${face.id}`);
  return card(
    face,
    ...shows(face, known, SHORT),
    button,
  );
}

function shows(face, known, count) {
  const { reading } = face;
  if (!told(reading)) return [];
  return [
    section("Expression", reading.scope.expression, expressions(reading, count)),
    section("Why", reading.scope.geometry, evidence(face, known)),
  ];
}

function card(face, ...content) {
  const hue = `hue-${(face.id - 1) % 5}`;
  return el("article", { class: `card reading ${hue}`, "aria-label": `Face ${face.id}` },
    heading(face), ...content);
}

/** One line that says what a face shows. */
export function headline({ id, reading }) {
  if (!told(reading)) return `Face ${id}`;
  if (reading.abstain) return `Face ${id}: the expression is left open`;
  return `Face ${id} shows ${topOf(reading.expression)}`;
}

const topOf = (shares) => Object.keys(shares).reduce((a, b) => (shares[b] > shares[a] ? b : a));

function heading(face) {
  const { reading } = face;
  const located = reading.geometry
    ? `landmarks found, quality ${percent(reading.quality)}`
    : "no landmarks: nothing was measured";
  const relative = reading.baseline ? `, relative to ${reading.baseline}` : "";
  return el(
    "header",
    { class: "who" },
    faceFigure(face),
    el("div", {}, el("h3", {}, headline(face)), el("p", { class: "sure" }, sure(reading)),
      el("p", { class: "faint" }, located + relative)),
  );
}

function sure(reading) {
  if (!told(reading)) return "Expressions are not told where this server is used.";
  if (!reading.abstain) return percent(reading.confidence);
  return `likeliest ${topOf(reading.expression)}, ${percent(reading.confidence)}: too little to say`;
}

function section(title, scope, ...content) {
  const badge = scope ? el("span", { class: scope === RENDERS ? "badge warn" : "badge" }, scope) : null;
  return el("section", {}, el("h4", {}, title, badge), ...content);
}

function bar(name, share, { strong = false, note = "" } = {}) {
  const track = el("span", { class: "track", "aria-hidden": "true" }, el("i"));
  track.firstChild.style.width = `${(100 * share).toFixed(1)}%`;
  return el(
    "li",
    { class: strong ? "bar strong" : "bar" },
    el("span", { class: "name" }, name, note ? el("small", {}, ` ${note}`) : null),
    track,
    el("span", { class: "value" }, percent(share)),
  );
}

function expressions(reading, count) {
  const shares = Object.entries(reading.expression).sort((a, b) => b[1] - a[1]);
  const rows = shares.slice(0, count).map(([name, share], rank) =>
    bar(name, share, { strong: rank === 0 }));
  return el("ul", { class: "bars" }, ...rows);
}

function looks(reading) {
  const { mean, low, high } = reading.age;
  const place = (years) => `${Math.min(100, Math.max(0, (100 * years) / OLDEST))}%`;
  const range = el("i", { class: "range" });
  range.style.left = place(low);
  range.style.width = `${Math.min(OLDEST, high) - Math.min(OLDEST, low)}%`;
  const dot = el("i", { class: "dot" });
  dot.style.left = place(mean);
  const ticks = [0, 25, 50, 75, 100].map((years) => {
    const tick = el("small", {}, String(years));
    tick.style.left = place(years);
    return tick;
  });
  const years = `${Math.round(mean)} years, 80 % interval ${Math.round(low)} to ${Math.round(high)}`;
  const gender = topOf(reading.gender);
  return el(
    "div",
    {},
    el("p", { class: "age-words" }, "Apparent age ", el("b", {}, years)),
    el("div", { class: "age", "aria-hidden": "true" }, range, dot, ...ticks),
    el("ul", { class: "bars" },
      bar(`looks ${gender}`, reading.gender[gender], { note: "apparent" })),
  );
}

function evidence(face, known) {
  const { geometry, evidence: names } = face.reading;
  if (!geometry) return el("p", { class: "faint" }, "Without landmarks there is nothing to point at.");
  const cited = names.filter((name) => name in known.measures);
  if (!cited.length) {
    return el("p", { class: "faint" }, "Nothing measured stands out that this expression rests on.");
  }
  const rows = cited.map((name) => {
    const row = el("button", { type: "button", class: "fact" },
      el("span", { class: "name" }, measureWords(name, geometry[name])),
      el("span", { class: "value" }, `${deviation(geometry[name])} against neutral faces`));
    showsOn(row, () => [face.id, regionsOfMeasure(name)]);
    return el("li", {}, row);
  });
  return el("ul", { class: "facts" }, ...rows);
}

function units(face, known, held) {
  const read = known.units.map((unit) => ({
    ...unit,
    ...face.reading.action_units[`AU${String(unit.number).padStart(2, "0")}`],
  }));
  const order = (a, b) => b.probability - a.probability;
  const active = read.filter((unit) => unit.probability >= known.unit_shown).sort(order);
  const rest = read.filter((unit) => unit.probability < known.unit_shown).sort(order);
  const list = (some) =>
    el("ul", { class: "units" }, ...some.map((unit) => unitRow(face.id, unit, known, held)));
  return el(
    "div",
    {},
    active.length ? list(active) : el("p", { class: "faint" }, "No action unit is active."),
    el("details", {}, el("summary", {}, `${rest.length} more, below ${percent(known.unit_shown)}`),
      list(rest)),
  );
}

function unitRow(id, unit, known, held) {
  const level = Math.min(known.unit_levels, Math.max(1, Math.round(unit.intensity * known.unit_levels)));
  const active = unit.probability >= known.unit_shown;
  const doubt = held && !held.includes(unit.number) ? "does not hold up on real faces" : "";
  const track = el("span", { class: "track", "aria-hidden": "true" }, el("i"));
  track.firstChild.style.width = `${(100 * unit.probability).toFixed(1)}%`;
  const strength = active ? `, strength ${level} of ${known.unit_levels}` : "";
  const row = el(
    "button",
    { type: "button", class: doubt ? "unit doubted" : "unit", title: doubt },
    el("span", { class: "number" }, `AU${unit.number}`),
    el("span", { class: "name" }, unit.name,
      el("small", {}, ` ${unit.region}${strength}${doubt ? `, ${doubt}` : ""}`)),
    track,
    el("span", { class: "value" }, percent(unit.probability)),
  );
  showsOn(row, () => [id, regionsOfPart(unit.region)]);
  return el("li", {}, row);
}

function also(reading) {
  const note = (name) => (reading.scope[name] === RENDERS ? "renders only" : "");
  const states = [
    ["mouth open", reading.mouth_open, "mouth_open"],
    ["eyes closed", reading.eyes_closed, "eyes_closed"],
    ["mask worn", reading.mask, "mask"],
    ["generated or edited", reading.generated, "generated"],
  ];
  return el(
    "div",
    {},
    el("ul", { class: "bars" },
      ...states.map(([name, share, key]) => bar(name, share, { note: note(key) }))),
    el("dl", { class: "angles" },
      el("dt", {}, "Head"), el("dd", {}, reading.pose ? angles(reading.pose) : "not measured"),
      el("dt", {}, "Gaze"),
      el("dd", {}, angles(reading.gaze), el("small", {}, ` ${note("gaze_yaw")}`))),
  );
}
