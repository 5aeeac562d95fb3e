// The conversation: questions, answers as they are written, and what in them can be shown.

import { byId, el } from "./dom.js";
import { highlight, showsOn } from "./overlay.js";
import { mentions } from "./regions.js";

/** Messages of the next request: the picture stands in the first one, what was said follows. */
export function messagesOf(exchanges, question, image) {
  const said = exchanges.filter(({ answer }) => answer).flatMap((exchange) => [
    { role: "user", content: exchange.question },
    { role: "assistant", content: exchange.answer },
  ]);
  said.push({ role: "user", content: question });
  const picture = { type: "image_url", image_url: { url: image } };
  said[0] = { role: "user", content: [picture, { type: "text", text: said[0].content }] };
  return said;
}

/** Draw a whole conversation anew. */
export function showTalk({ face, exchanges }, units) {
  byId("log").replaceChildren();
  for (const exchange of exchanges) settle(begin(exchange.question), exchange, { face, units });
}

/** Add a question with room for its answer; returns the place of the answer. */
export function begin(question) {
  const answer = el("p", { class: "answer writing" });
  byId("log").append(el("div", { class: "exchange" }, el("p", { class: "question" }, question), answer));
  byId("log").setAttribute("aria-busy", "true");
  answer.scrollIntoView({ block: "nearest" });
  return answer;
}

/** Add words to an answer. */
export function write(place, text) {
  place.append(place.textContent ? text : text.trimStart());
  place.scrollIntoView({ block: "nearest" });
}

/** End an answer: link what can be shown, say how it ended. */
export function settle(place, { answer, whole, finish }, { face, units }) {
  place.classList.remove("writing");
  place.replaceChildren(...linked(answer, face, units));
  const ends = {
    length: "The answer reached its longest.",
    content_filter: "The server does not answer this kind of question.",
  };
  const note = whole ? ends[finish] : "Stopped.";
  if (note) place.after(el("p", { class: "faint end" }, note));
  byId("log").setAttribute("aria-busy", "false");
}

/** A message in the place of an answer. */
export function fail(place, message) {
  place.className = "answer failed";
  place.setAttribute("role", "alert");
  place.textContent = message;
  byId("log").setAttribute("aria-busy", "false");
  place.scrollIntoView({ block: "nearest" });
}

function* linked(answer, asked, units) {
  for (const { text, face, regions } of mentions(answer, units)) {
    if (regions === undefined || (!regions.length && face === null)) {
      yield text;
      continue;
    }
    // A span, because a button's words would not break over lines.
    const link = el("span", { role: "button", tabindex: "0", class: "mention" }, text);
    const where = () => [face ?? asked, regions];
    showsOn(link, where);
    link.addEventListener("click", () => highlight(...where()));
    yield link;
  }
}
