// The picture with its faces. Boxes are buttons placed in per cent, so they follow every width.

import { byId, el, svg } from "./dom.js";
import { drawRegions, regionWords } from "./regions.js";

let layers = new Map(); // face id -> groups that draw its regions, here and in its card
let slices = {};

/** Show a picture without faces yet. */
export function showPicture(picture, url) {
  const image = byId("photo");
  image.src = url;
  image.alt = `The chosen picture, ${picture.name}`;
  byId("drawing").setAttribute("viewBox", `0 0 ${picture.width} ${picture.height}`);
  clearFaces();
}

export function clearFaces() {
  layers = new Map();
  byId("drawing").replaceChildren();
  byId("boxes").replaceChildren();
  calm();
}

/** Draw faces; `choose(id)` is called when one is pressed. */
export function showFaces(faces, picture, { regions, choose }) {
  clearFaces();
  slices = regions;
  for (const face of faces) {
    byId("drawing").append(regionLayer(face));
    byId("boxes").append(boxOf(face, picture, choose));
  }
}

function boxOf(face, picture, choose) {
  const [left, top, right, bottom] = face.box_xyxy;
  const box = el(
    "button",
    {
      type: "button",
      class: `face-box hue-${(face.id - 1) % 5}`,
      "aria-label": `Face ${face.id}`,
      onclick: () => {
        choose(face.id);
        highlight(face.id, []); // a pointer still rests on it, or a finger did
      },
    },
    el("span", { class: "tag", "aria-hidden": "true" }, String(face.id)),
  );
  box.dataset.face = face.id;
  box.style.left = `${(100 * left) / picture.width}%`;
  box.style.top = `${(100 * top) / picture.height}%`;
  box.style.width = `${(100 * (right - left)) / picture.width}%`;
  box.style.height = `${(100 * (bottom - top)) / picture.height}%`;
  showsOn(box, () => [face.id, []]);
  return box;
}

/** A new group of a face's regions that `highlight` reaches. */
export function regionLayer(face) {
  const group = drawRegions(face, slices);
  layers.set(face.id, [...(layers.get(face.id) ?? []), group]);
  return group;
}

/** The part of the picture around a face, with a layer of its regions. */
export function faceFigure(face) {
  const [left, top, right, bottom] = face.box_xyxy;
  const side = 1.5 * Math.max(right - left, bottom - top);
  const [x, y] = [(left + right - side) / 2, (top + bottom - side) / 2];
  const canvas = el("canvas", { width: 320, height: 320, "aria-hidden": "true" });
  canvas.getContext("2d").drawImage(byId("photo"), x, y, side, side, 0, 0, 320, 320);
  const drawing = svg("svg", { viewBox: `${x} ${y} ${side} ${side}`, "aria-hidden": "true" });
  drawing.append(regionLayer(face));
  return el("div", { class: "figure" }, canvas, drawing);
}

/** Forget the layers of cards that are drawn anew; those over the picture stay. */
export function dropCardLayers() {
  for (const [id, groups] of layers) layers.set(id, groups.slice(0, 1));
}

/** Show the regions of a face (null: of every face), some of them strongly. */
export function highlight(id, names) {
  for (const [face, groups] of layers) {
    const seen = id === null || face === id;
    for (const group of groups) {
      group.classList.toggle("seen", seen);
      group.classList.toggle("pointing", seen && names.length > 0);
      for (const path of group.children) {
        path.classList.toggle("strong", seen && names.includes(path.dataset.region));
      }
    }
  }
  byId("legend").textContent = legend(id, names);
}

/** Back to boxes alone. */
export function calm() {
  for (const group of [...layers.values()].flat()) group.classList.remove("seen", "pointing");
  byId("legend").textContent = layers.size ? "Point at a face, or touch it, to see its nine regions." : "";
}

function legend(id, names) {
  const [group] = layers.get(id ?? 1) ?? [];
  const who = id === null ? "All faces" : `Face ${id}`;
  if (group && !group.children.length) return `${who}: its regions could not be located.`;
  return `${who}: ${names.map(regionWords).join(", ") || "the nine regions"}`;
}

/** Highlight while a pointer rests on an element or it has the focus; `what` gives the place. */
export function showsOn(node, what) {
  const on = () => highlight(...what());
  node.addEventListener("mouseenter", on);
  node.addEventListener("focus", on);
  node.addEventListener("mouseleave", calm);
  node.addEventListener("blur", calm);
}

/** Mark the chosen face (null: all). */
export function markChosen(id) {
  for (const box of byId("boxes").children) {
    const chosen = Number(box.dataset.face) === id;
    box.setAttribute("aria-pressed", String(chosen));
    box.classList.toggle("faded", id !== null && !chosen);
  }
}
