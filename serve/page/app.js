// The page: which picture is open, which face is chosen, what is being asked.

import * as api from "./api.js";
import { startCamera } from "./camera_dialog.js";
import { faceCard, headline, shortCard } from "./cards.js";
import { byId, el, shown } from "./dom.js";
import { startIntake } from "./intake.js";
import { askKey, startKey } from "./key_dialog.js";
import { calm, clearFaces, dropCardLayers, markChosen, showFaces, showPicture } from "./overlay.js";
import { prepare } from "./picture.js";
import { copy, csv, record } from "./table.js";
import { begin, fail, messagesOf, settle, showTalk, write } from "./talk.js";
import { startTheme } from "./theme.js";
import { explain } from "./words.js";

const STARTERS = [
  "What expression is shown?",
  "Why?",
  "How old does this face look?",
  "Which action units are active?",
  "Describe the face.",
];

const state = {
  server: { id: "", notice: "", limits: {}, units: undefined },
  known: null, // closed label sets
  picture: null,
  faces: [],
  done: false, // the picture has been read
  notice: "",
  chosen: null, // id of a face; null: all of them
  talks: new Map(), // chosen -> { face, exchanges }
  reading: null, // AbortController of the picture being read
  asking: null, // AbortController of the answer being written
};
let address = ""; // of the picture shown, to be freed

// --- messages -------------------------------------------------------------------------------------

function alertOf(message) {
  byId("alert").textContent = message;
  byId("alert").hidden = !message;
}

const say = (message) => { byId("status").textContent = message; };

/** Tell an error; one that asks for a key opens its dialog and tries again afterwards. */
function tell(error, again) {
  if (error.name === "AbortError") return;
  if (error.status === 401) return askKey(again);
  if (error.status === undefined && error.name !== "PictureError") console.error(error);
  alertOf(explain(error));
}

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
    if (state.reading === reading) shown(false, "busy");
  }
}

function showNew(picture) {
  Object.assign(state, { picture, faces: [], done: false, chosen: null, talks: new Map() });
  URL.revokeObjectURL(address);
  address = URL.createObjectURL(picture.blob);
  showPicture(picture, address);
  byId("picture-note").textContent = picture.note;
  shown(picture.note !== "", "picture-note");
  shown(false, "start", "scope");
  shown(true, "work", "busy", "new-picture");
  byId("cards").replaceChildren();
  draw();
  say("Reading the faces of the picture.");
}

async function read({ signal }) {
  state.known ??= await api.labels();
  const [{ faces, notice }] = await Promise.all([
    api.readings(state.picture.data, signal),
    byId("photo").decode().catch(() => {}), // cards draw from it; what it cannot show is told below
  ]);
  Object.assign(state, { faces, notice, done: true });
  const many = faces.length === 1 ? "1 face was found" : `${faces.length} faces were found`;
  say(faces.length ? `${many}. ${faces.map(headline).join(". ")}.` : "No face was found.");
  showFaces(faces, state.picture, { regions: state.known.regions, choose });
  choose(faces.length === 1 ? faces[0].id : null);
  focusQuestion();
}

/** Not where a keyboard would slide over half of the screen. */
function focusQuestion() {
  if (matchMedia("(pointer: fine)").matches) byId("question").focus({ preventScroll: true });
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

function drawChips() {
  const asked = new Set(talk().exchanges.map(({ question }) => question));
  const chips = STARTERS.filter((question) => !asked.has(question)).map((question) =>
    el("button", { type: "button", class: "chip", onclick: () => ask(question) }, question));
  byId("chips").replaceChildren(...(state.faces.length ? chips : []));
}

/** The conversation about what is chosen. */
function talk() {
  const { chosen, talks } = state;
  // A lone face is asked about as the whole picture is: there is nothing to leave out.
  const face = state.faces.length > 1 ? chosen : null;
  if (!talks.has(chosen)) talks.set(chosen, { face, exchanges: [] });
  return talks.get(chosen);
}

// --- questions ------------------------------------------------------------------------------------

async function ask(question) {
  if (state.asking || !state.picture || !question.trim()) return;
  const longest = state.known?.longest_question;
  if (question.length > longest) {
    return alertOf(`A question may have ${longest} characters; this one has ${question.length}.`);
  }
  alertOf("");
  const asking = (state.asking = new AbortController());
  const { face, exchanges } = talk();
  const exchange = { question, answer: "", whole: false, finish: null };
  const place = begin(question);
  asks(true);
  try {
    const messages = messagesOf(exchanges, question, state.picture.data);
    const model = state.server.id;
    for await (const piece of api.answer({ model, messages, face, signal: asking.signal })) {
      if (piece.finish) Object.assign(exchange, { finish: piece.finish, whole: true });
      if (piece.text) {
        exchange.answer += piece.text;
        write(place, piece.text);
      }
    }
    exchange.whole = true;
  } catch (error) {
    if (error.name !== "AbortError") return failed(error, place, exchange);
  } finally {
    state.asking = null;
    asks(false);
  }
  exchange.answer = exchange.answer.trim();
  exchanges.push(exchange);
  settle(place, exchange, { face, units: state.known?.units ?? [] });
  drawChips();
}

function failed(error, place, { question }) {
  if (error.status === 401) {
    place.parentElement.remove();
    return askKey(() => ask(question));
  }
  if (error.status === undefined) console.error(error);
  fail(place, explain(error));
  if (error.status !== 403 && !byId("question").value) byId("question").value = question;
}

const stop = () => state.asking?.abort();

function asks(busy) {
  shown(busy, "stop");
  shown(!busy, "ask");
  focusQuestion();
}

function sendQuestion() {
  const question = byId("question").value.trim();
  if (!question || state.asking) return;
  byId("question").value = "";
  grow();
  ask(question);
}

function grow() {
  const box = byId("question");
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight + 2, 160)}px`;
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
  byId("ask-row").addEventListener("submit", (event) => { event.preventDefault(); sendQuestion(); });
  byId("question").addEventListener("input", grow);
  byId("question").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      sendQuestion();
    }
  });
  byId("stop").addEventListener("click", stop);
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
listen();
meet();
