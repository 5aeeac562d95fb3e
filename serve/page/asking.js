// Questions: sent, answered as they are written, stopped.

import * as api from "./api.js";
import { byId, el, shown } from "./dom.js";
import { askKey } from "./key_dialog.js";
import { alertOf } from "./messages.js";
import { state, talk } from "./state.js";
import { begin, fail, messagesOf, settle, write } from "./talk.js";
import { explain } from "./words.js";

const ABOUT_EXPRESSIONS = ["What expression is shown?", "Why?", "Describe the face."];
const STARTERS = [
  ...ABOUT_EXPRESSIONS, "How old does this face look?", "Which action units are active?",
];

/** Ask a question about what is chosen. */
async function ask(question) {
  if (state.asking || state.busy || !state.picture) return;
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

/** End the answer that is being written. */
export const stop = () => state.asking?.abort();

function asks(busy) {
  shown(busy, "stop");
  shown(!busy, "ask");
  focusQuestion();
}

function sendQuestion() {
  const question = byId("question").value.trim();
  if (!question || state.asking || state.busy) return;
  byId("question").value = "";
  grow();
  ask(question);
}

function grow() {
  const box = byId("question");
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight + 2, 160)}px`;
}

/** Questions to begin with, less those that were asked. */
export function drawChips() {
  const asked = new Set(talk().exchanges.map(({ question }) => question));
  const told = state.faces.some(({ reading }) => reading.expression !== undefined);
  const apt = STARTERS.filter((question) =>
    !asked.has(question) && (told || !ABOUT_EXPRESSIONS.includes(question)));
  const chips = apt.map((question) =>
    el("button", { type: "button", class: "chip", onclick: () => ask(question) }, question));
  byId("chips").replaceChildren(...(state.faces.length ? chips : []));
}

/** Not where a keyboard would slide over half of the screen. */
export function focusQuestion() {
  if (matchMedia("(pointer: fine)").matches) byId("question").focus({ preventScroll: true });
}

/** Listen to the row in which questions are written. */
export function startAsking() {
  byId("ask-row").addEventListener("submit", (event) => { event.preventDefault(); sendQuestion(); });
  byId("question").addEventListener("input", grow);
  byId("question").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      sendQuestion();
    }
  });
  byId("stop").addEventListener("click", stop);
}
