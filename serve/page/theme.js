// Light, dark, or as the system says. The choice is the only thing this page remembers.

import { byId } from "./dom.js";

const NAME = "facellm-theme";
const NEXT = { auto: "dark", dark: "light", light: "auto" };
const SAID = { auto: "as the system", dark: "dark", light: "light" };

function remembered() {
  try {
    return localStorage.getItem(NAME);
  } catch {
    return null; // storage is switched off: the choice lasts as long as the page
  }
}

function remember(theme) {
  try {
    if (theme === "auto") localStorage.removeItem(NAME);
    else localStorage.setItem(NAME, theme);
  } catch {
    return; // as above
  }
}

function show(theme) {
  document.documentElement.dataset.theme = theme;
  byId("theme").setAttribute("aria-label", `Colours: ${SAID[theme]}. Change`);
  byId("theme").title = `Colours: ${SAID[theme]}`;
}

export function startTheme() {
  const saved = remembered();
  show(saved in NEXT ? saved : "auto");
  byId("theme").addEventListener("click", () => {
    const theme = NEXT[document.documentElement.dataset.theme];
    show(theme);
    remember(theme);
  });
}
