// The server's key: asked for where the server wants one, kept in memory only.

import { hasKey, setKey } from "./api.js";
import { byId, shown } from "./dom.js";

const FIRST = "This server asks for a key. It is kept until you close or reload this page, and sent to this server only.";
const REFUSED = "This server does not take that key. Try another one.";

let again = null; // what to do once a key is given

/** Ask for a key, then do what the server did not let us do. */
export function askKey(then) {
  again = then;
  byId("key-words").textContent = hasKey() ? REFUSED : FIRST;
  byId("key").value = "";
  shown(true, "key-open"); // a server that asks for one may be given another one later
  if (!byId("key-dialog").open) byId("key-dialog").showModal();
}

/** Listen; `meet()` asks the server who it is, anew with every key. */
export function startKey(meet) {
  byId("key-open").addEventListener("click", () => askKey(meet));
  byId("key-close").addEventListener("click", () => byId("key-dialog").close());
  byId("key-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    setKey(byId("key").value);
    byId("key").value = "";
    byId("key-dialog").close();
    const then = again;
    again = null;
    if (await meet() && then !== meet) then?.();
  });
}
