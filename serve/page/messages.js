// What the page tells: errors for everybody, progress for those who listen to it.

import { byId } from "./dom.js";
import { askKey } from "./key_dialog.js";
import { explain } from "./words.js";

/** Show a message at the top; an empty one takes it away. */
export function alertOf(message) {
  byId("alert").textContent = message;
  byId("alert").hidden = !message;
}

/** Say something to those who listen to the page. */
export const say = (message) => { byId("status").textContent = message; };

/** Tell an error; one that asks for a key opens its dialog and tries again afterwards. */
export function tell(error, again) {
  if (error.name === "AbortError") return;
  if (error.status === 401) return askKey(again);
  if (error.status === undefined && error.name !== "PictureError") console.error(error);
  alertOf(explain(error));
}
