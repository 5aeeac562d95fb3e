// The page: which picture is open, which face is chosen, what is being asked.

import * as api from "./api.js";
import { drawChips, focusQuestion, startAsking, stop } from "./asking.js";
import { startCamera } from "./camera_dialog.js";
import { faceCard, headline, shortCard } from "./cards.js";
import { byId, el, shown } from "./dom.js";
import { startIntake } from "./intake.js";
import { startKey } from "./key_dialog.js";
import { alertOf, say, tell } from "./messages.js";
import { calm, clearFaces, dropCardLayers, markChosen, showFaces, showPicture } from "./overlay.js";
import { prepare } from "./picture.js";
import { state, talk } from "./state.js";
import { copy, csv, record } from "./table.js";
import { showTalk } from "./talk.js";
import { startTheme } from "./theme.js";

let address = ""; // of the picture shown, to be freed

// --- a picture ------------------------------------------------------------------------------------

async function open(file) {
  stop();
  state.reading?.abort();
  const reading = (state.reading = new AbortController());
  alertOf("");
  try {
    const picture = await prepare(file, state.server.limits);
    if (reading.signal.aborted) return;
    showNew(picture);
    await read(reading);
  } catch (error) {
    if (state.reading === reading) tell(error, () => open(file));
  } finally {
    if (state.reading === reading) busy(false);
  }
}

function busy(reading) {
  state.busy = reading;
  shown(reading, "busy");
}

function showNew(picture) {
  Object.assign(state, { picture, faces: [], done: false, chosen: null, talks: new Map() });
  URL.revokeObjectURL(address);
  address = URL.createObjectURL(picture.blob);
  showPicture(picture, address);
  byId("picture-note").textContent = picture.note;
  shown(picture.note !== "", "picture-note");
  shown(false, "start", "scope");
  shown(true, "work", "new-picture");
  busy(true);
  byId("cards").replaceChildren();
  draw();
  say("Reading the faces of the picture.");
}

async function read({ signal }) {
  if (!state.server.id) await meet(); // it was not there, or wanted a key
  state.known ??= await api.labels();
  const [{ faces, notice }] = await Promise.all([
    api.readings(state.picture.data, signal),
    byId("photo").decode().catch(() => {}), // cards draw from it; what it cannot show is told below
  ]);
  if (signal.aborted) return;
  Object.assign(state, { faces, notice, done: true });
  busy(false);
  const many = faces.length === 1 ? "1 face was found" : `${faces.length} faces were found`;
  say(faces.length ? `${many}. ${faces.map(headline).join(". ")}.` : "No face was found.");
  showFaces(faces, state.picture, { regions: state.known.regions, choose });
  choose(faces.length === 1 ? faces[0].id : null); // a lone one is chosen from the start
  focusQuestion();
}

function close() {
  stop();
  state.reading?.abort();
  Object.assign(state, { picture: null, faces: [], chosen: null, talks: new Map() });
  URL.revokeObjectURL(address);
  byId("photo").removeAttribute("src");
  clearFaces();
  alertOf("");
  shown(false, "work", "new-picture");
  shown(true, "start");
  byId("choose").focus();
}

// --- faces ----------------------------------------------------------------------------------------

function choose(id) {
  if (id !== state.chosen) stop();
  state.chosen = id;
  draw();
}

/** Everything that depends on the chosen face. */
function draw() {
  drawScope();
  markChosen(state.chosen);
  dropCardLayers();
  const faces = state.faces.filter(({ id }) => state.chosen === null || id === state.chosen);
  const { known, server } = state;
  const cards = faces.map((face) =>
    faces.length > 1
      ? shortCard(face, known, () => choose(face.id))
      : faceCard(face, known, server.units));
  const none = el("p", { class: "card faint" }, "No face was found in this picture.");
  byId("cards").replaceChildren(...(state.done && !cards.length ? [none] : cards));
  showTalk(talk(), state.known?.units ?? []);
  drawChips();
  calm();
}

function drawScope() {
  const { faces } = state;
  shown(faces.length > 1, "scope");
  const chip = (id, words) =>
    el("button", {
      type: "button",
      class: id === null ? "chip" : `chip hue-${(id - 1) % 5}`,
      "aria-pressed": String(id === state.chosen),
      onclick: () => {
        choose(id);
        [...byId("scope").children].find((node) => node.ariaPressed === "true")?.focus();
      },
    }, words);
  byId("scope").replaceChildren(
    chip(null, "All faces"), ...faces.map(({ id }) => chip(id, `Face ${id}`)));
}

// --- copies ---------------------------------------------------------------------------------------

async function copyAs(kind) {
  if (!state.picture) return;
  const { picture, faces, known, server } = state;
  const notice = state.notice || server.notice;
  const text = kind === "JSON"
    ? JSON.stringify(record({ picture, faces, talks: [...state.talks.values()], notice }), null, 2)
    : csv(faces, picture.name, known?.columns ?? [], server.units);
  if (!(await copy(text))) return;
  const button = byId(`copy-${kind.toLowerCase()}`);
  button.textContent = "Copied ✓";
  say(`Copied as ${kind}.`);
  setTimeout(() => { button.textContent = `Copy ${kind}`; }, 1600);
}

// --- start ----------------------------------------------------------------------------------------

/** Ask the server who it is; false where it does not say. */
async function meet() {
  try {
    state.server = await api.server();
    state.known ??= await api.labels();
    byId("model").textContent = state.server.id;
    const { notice } = state.server;
    if (notice) byId("server-notice").textContent = notice[0].toUpperCase() + notice.slice(1);
    return true;
  } catch (error) {
    tell(error, meet);
    return false;
  }
}

function listen() {
  byId("new-picture").addEventListener("click", close);
  byId("copy-json").addEventListener("click", () => copyAs("JSON"));
  byId("copy-csv").addEventListener("click", () => copyAs("CSV"));
  byId("copy-close").addEventListener("click", () => byId("copy-dialog").close());
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    if (state.asking) stop();
    else calm();
  });
}

startTheme();
startIntake(open);
startCamera(open);
startKey(meet);
startAsking();
listen();
meet();
