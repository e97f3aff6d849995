// The analog bar: track, normal band, forbidden span, fill from zero, pointer, limits, set-point.
// Drawn with percentage attributes only, so that it needs no inline style.
import { svg } from "./dom.js";

/**
 * Draw into an `<svg class="ab">`.
 * @param {SVGElement} host
 * @param {{value: ?number, low: number, high: number, band?: number[], zero?: number,
 *   setpoint?: ?number, limits?: number[], forbidden?: number[][]}} spec
 */
export function drawBar(host, { value, low, high, band, zero, setpoint, limits = [], forbidden = [] }) {
  const share = (x) => (100 * (Math.max(low, Math.min(high, x)) - low)) / (high - low);
  const at = (x) => `${share(x).toFixed(2)}%`;
  const wide = (a, b) => `${Math.abs(share(b) - share(a)).toFixed(2)}%`;
  const known = value != null && Number.isFinite(value);
  const parts = [svg("rect", { class: "tr", y: 3, width: "100%", height: 8 })];
  if (band) parts.push(svg("rect", { class: "nb", x: at(band[0]), y: 3, width: wide(band[0], band[1]), height: 8 }));
  for (const [from, to] of forbidden) {
    if (to > from) parts.push(svg("rect", { class: "no", x: at(from), y: 3, width: wide(from, to), height: 8 }));
  }
  if (zero != null) {
    if (known) parts.push(svg("rect", { class: "fi", x: at(Math.min(value, zero)), y: 5, width: wide(zero, value), height: 4 }));
    parts.push(svg("rect", { class: "ze", x: at(zero), y: 1, width: 1, height: 12 }));
  }
  if (known) parts.push(mark(at(value), svg("rect", { class: "mk", x: -1.5, y: 1, width: 3, height: 12 })));
  for (const limit of limits) {
    if (limit != null) parts.push(mark(at(limit), svg("path", { class: "li", d: "M-.75 0h1.5v14h-1.5z" })));
  }
  if (setpoint != null && Number.isFinite(setpoint)) parts.push(mark(at(setpoint), svg("path", { class: "sp", d: "M-4.5 -1h9L0 5z" })));
  host.replaceChildren(...parts);
}

function mark(x, shape) {
  const place = svg("svg", { x, overflow: "visible" });
  place.append(shape);
  return place;
}

/** A trend without axes into an `<svg class="spark">`; gaps stay gaps. */
export function drawSpark(host, values) {
  const known = values.filter((v) => v != null);
  if (known.length < 2) return host.replaceChildren();
  const low = Math.min(...known);
  const span = Math.max(...known) - low;
  // A flat line lies in the middle: noise is not blown up to the height of the tile.
  const scale = span > 1e-9 ? 16 / span : 0;
  let pen = false;
  const path = values.map((v, i) => {
    if (v == null) { pen = false; return ""; }
    const y = scale ? 18 - (v - low) * scale : 10;
    const step = `${pen ? "L" : "M"}${i} ${y.toFixed(1)}`;
    pen = true;
    return step;
  }).join("");
  host.setAttribute("viewBox", `0 0 ${values.length - 1} 20`);
  host.replaceChildren(svg("path", { d: path }));
}
