// Small helpers around the document.

export const one = (selector, root = document) => root.querySelector(selector);
export const all = (selector, root = document) => [...root.querySelectorAll(selector)];

/** Write a text only when it differs: an unchanged node is not touched and nothing is laid out. */
export function write(node, text) {
  if (node && node.textContent !== text) node.textContent = text;
}

/** Press one button of a group and release the others. */
export function press(group, button) {
  for (const other of all("button", group)) other.setAttribute("aria-pressed", String(other === button));
}

/** Say a result of the user's own act to a screen reader. */
export function say(text) {
  write(one("#say"), text);
}

const SVG = "http://www.w3.org/2000/svg";

/** An SVG element with these attributes. */
export function svg(name, attributes) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  return node;
}

/** The value of a colour token of the present theme. */
export function token(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** A hexadecimal colour with an opacity, for canvas. */
export function faded(colour, opacity) {
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
  return `rgba(${r}, ${g}, ${b}, ${opacity})`;
}

const repaints = new Set();

/** Call `paint` whenever the theme changes, until the function returned is called. */
export function onTheme(paint) {
  repaints.add(paint);
  return () => { repaints.delete(paint); };
}

export function repaint() {
  for (const paint of repaints) paint();
}
