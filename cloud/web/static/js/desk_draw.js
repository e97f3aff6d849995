// Pictures of the desk that have no time axis: the bid curve, the histogram of revenue, bars of risk.
import { svg } from "./dom.js";
import { number } from "./format.js";
import { inOrder, signed } from "./desk_model.js";

const LEFT = 44;
const BOTTOM = 18;
const TOP = 8;
const RIGHT = 12;
/** Height of a line of words. */
const ROW = 15;
/** Room that a label of a mark takes. */
const LABEL = 72;

function frame(host) {
  const { clientWidth: width, clientHeight: height } = host;
  host.replaceChildren();
  return { width: width || 300, height: height || 120 };
}

function text(host, words, x, y, cls) {
  const node = svg("text", { x, y, class: cls });
  node.textContent = words;
  host.append(node);
}

/** Round steps of an axis from low to high, about as many as asked. */
export function ticks(low, high, count) {
  const raw = (high - low) / count || 1;
  const size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((k) => k * size).find((k) => k >= raw);
  const found = [];
  for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-9; v += step) found.push(Math.abs(v) < step * 1e-9 ? 0 : v);
  return { step, found };
}

/** Power over price: [price, power] corners of what clears, from the floor to the cap. */
export function corners(segments, low, high) {
  const charges = inOrder(segments).filter(({ segment }) => signed(segment) < 0).map(({ segment }) => segment);
  const sales = inOrder(segments).filter(({ segment }) => signed(segment) > 0).map(({ segment }) => segment);
  let power = charges.reduce((sum, one) => sum + signed(one), 0) + sales.filter(({ price }) => price == null).reduce((sum, one) => sum + signed(one), 0);
  const found = [[low, power]];
  const step = (price, change) => { found.push([price, power]); power += change; found.push([price, power]); };
  for (const one of charges) if (one.price != null) step(Number(one.price), -signed(one));
  for (const one of sales) if (one.price != null) step(Number(one.price), signed(one));
  return [...found, [high, power]];
}

/** The bid curve of an interval, and dashed what it was. */
export function curve(host, now, was, rated) {
  const { width, height } = frame(host);
  const prices = [...now, ...was].map(({ price }) => price).filter((price) => price != null).map(Number);
  const [first, last] = prices.length ? [Math.min(...prices), Math.max(...prices)] : [0, 100];
  const wide = Math.max(last - first, 20);
  const [low, high] = [first - wide * 0.4, last + wide * 0.4];
  const most = Math.max(rated, ...now.map((one) => Math.abs(signed(one)))) * 1.1;
  const x = (price) => LEFT + ((price - low) / (high - low)) * (width - LEFT - RIGHT);
  const y = (power) => TOP + ((most - power) / (2 * most)) * (height - TOP - BOTTOM);
  for (const v of ticks(-most, most, 4).found) {
    host.append(svg("path", { d: `M${LEFT} ${y(v)}H${width - RIGHT}`, class: v === 0 ? "zero" : "grid" }));
    text(host, number(v, most < 4 ? 1 : 0), LEFT - 6, y(v) + 4, "last");
  }
  const marks = ticks(low, high, Math.max(2, Math.floor((width - LEFT) / 70)));
  for (const v of marks.found) {
    host.append(svg("path", { d: `M${x(v)} ${TOP}V${height - BOTTOM}`, class: "grid" }));
    text(host, number(v, marks.step < 1 ? 1 : 0), x(v), height - 3, "mid");
  }
  const line = (points) => points.map(([price, power], i) => `${i ? "L" : "M"}${x(price)} ${y(power)}`).join("");
  const points = corners(now, low, high);
  host.append(svg("path", { d: `${line(points)}L${x(high)} ${y(0)}L${x(low)} ${y(0)}z`, class: "area" }));
  if (JSON.stringify(now) !== JSON.stringify(was)) host.append(svg("path", { d: line(corners(was, low, high)), class: "was" }));
  host.append(svg("path", { d: line(points), class: "step" }));
}

/** How possible days spread over revenue; `marks` are losses, [label, loss], each a line. */
export function histogram(host, told, marks, none) {
  const { width, height } = frame(host);
  if (!told) return text(host, none, 8, 24, "first");
  const { edges, counts } = told;
  const [low, high] = [edges[0], edges[edges.length - 1]];
  const x = (v) => 8 + ((v - low) / (high - low || 1)) * (width - 16);
  const floor = height - BOTTOM;
  const top = TOP + ROW * marks.length;
  const y = (count) => floor - (count / Math.max(...counts)) * (floor - top - 4);
  const scale = ticks(low, high, Math.max(2, Math.floor(width / 80)));
  for (const v of scale.found) text(host, number(v, scale.step < 0.1 ? 2 : scale.step < 1 ? 1 : 0), Math.min(Math.max(x(v), 14), width - 14), height - 3, "mid");
  let path = `M${x(low)} ${floor}`;
  counts.forEach((count, i) => { path += `V${y(count)}H${x(edges[i + 1])}`; });
  host.append(svg("path", { d: `${path}V${floor}z`, class: "area" }), svg("path", { d: `${path}V${floor}`, class: "step" }), svg("path", { d: `M8 ${floor}H${width - 8}`, class: "zero" }));
  const known = marks.filter(([, loss]) => loss != null).map(([label, loss]) => ({ label, at: Math.min(Math.max(x(-loss), 8), width - 8) }));
  known.sort((one, other) => one.at - other.at);
  placed(known.map(({ at }) => at), width).forEach(({ row, left }, i) => {
    const { label, at } = known[i];
    const line = TOP + ROW * row;
    host.append(svg("path", { d: `M${at} ${line}V${floor}`, class: "var" }));
    text(host, label, at + (left ? -5 : 5), line + 10, left ? "last" : "first");
  });
  return undefined;
}

/**
 * Rows and sides of the labels of up to two marks, by their places from left to right: no label
 * touches the other one or its line, which begins in the row of its own label.
 */
function placed(places, width) {
  const fits = { left: places[0] >= LABEL, right: places[places.length - 1] <= width - LABEL };
  if (places.length < 2) return places.map(() => ({ row: 0, left: !fits.right }));
  if (fits.left && fits.right) return [{ row: 0, left: true }, { row: 0, left: false }];
  if (fits.left) return [{ row: 1, left: true }, { row: 0, left: true }];
  return [{ row: 0, left: false }, { row: 1, left: !fits.right }];
}

/** A figure on its bar, with its limit as a tick. */
export function bar(host, value, limit) {
  const most = Math.max(Math.abs(value ?? 0), Math.abs(limit ?? 0)) * 1.15 || 1;
  const at = (v) => `${(50 * (v + most)) / most}%`;
  const nodes = [svg("rect", { class: "tr", y: 3, width: "100%", height: 8 })];
  if (value != null) {
    nodes.push(svg("rect", { class: "fi", x: at(Math.min(value, 0)), y: 5, width: `${(50 * Math.abs(value)) / most}%`, height: 4 }));
    const mark = svg("svg", { x: at(value), overflow: "visible" });
    mark.append(svg("rect", { class: "mk", x: -1.5, y: 1, width: 3, height: 12 }));
    nodes.push(mark);
  }
  nodes.push(svg("rect", { class: "ze", x: "50%", y: 1, width: 1, height: 12 }));
  if (limit != null) {
    const tick = svg("svg", { x: at(limit), overflow: "visible" });
    tick.append(svg("path", { class: "li", d: "M-.75 0h1.5v14h-1.5z" }));
    nodes.push(tick);
  }
  host.replaceChildren(...nodes);
}
