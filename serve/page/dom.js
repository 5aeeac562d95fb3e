// Elements are made here and nowhere else; what they say is text, never markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element: `el("p", { class: "faint", onclick: f, "aria-label": "..." }, "text", child)`. */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An SVG element, made the same way. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

export const byId = (id) => document.getElementById(id);

/** Show or hide elements by their ids. */
export function shown(visible, ...ids) {
  for (const id of ids) byId(id).hidden = !visible;
}
