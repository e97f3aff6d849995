// Every cell of a rack on one canvas: a row is a pack. Grey ramp for values, cold-grey-warm for
// deviations; outliers ringed, cells without fresh value hatched, the selected cell blue with a gap.
import { onTheme, token } from "./dom.js";
import { number } from "./format.js";
import { t } from "./words.js";

// Scale of the median absolute deviation to a standard deviation (normal distribution).
const MAD_TO_SIGMA = 1.4826;
export const OUTLIER = 4;
const PACKS = 8;

/** Median of the known values. */
export function median(values) {
  const known = values.filter((v) => v != null).sort((a, b) => a - b);
  if (!known.length) return null;
  const middle = known.length >> 1;
  return known.length % 2 ? known[middle] : (known[middle - 1] + known[middle]) / 2;
}

/** Robust centre and spread; the spread is never below `floor`, the accuracy of the measurement. */
export function robust(values, floor) {
  const centre = median(values);
  const spread = centre == null ? null : median(values.map((v) => (v == null ? null : Math.abs(v - centre))));
  return { centre, sigma: spread == null ? null : Math.max(spread * MAD_TO_SIGMA, floor) };
}

/** Rows and columns of a rack: packs of equal size where the number of cells allows. */
export function shape(cells) {
  if (cells % PACKS === 0 && cells / PACKS <= 80) return { rows: PACKS, columns: cells / PACKS };
  const columns = Math.min(cells, Math.ceil(Math.sqrt(cells * 4)));
  return { rows: Math.ceil(cells / columns), columns };
}

/** The name of a cell: pack and place in it, both from 1. */
export function cellName(index, columns) {
  return `${Math.floor(index / columns) + 1}\u2011${(index % columns) + 1}`;
}

const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
const mix = (from, to, share) => `rgb(${from.map((v, i) => Math.round(v + (to[i] - v) * share)).join(" ")})`;

export class HeatMap {
  /**
   * @param {HTMLElement} host
   * @param {() => {values: (number|null)[], stale: boolean, mode: string, selected: number,
   *   low: number, high: number, centre: number, half: number, outliers: Set<number>,
   *   named: ?number, name: string, say: (index: number) => string}} view what to draw; the cell `named` is framed and bears its `name`
   * @param {(index: number) => void} pick called when a cell is chosen
   */
  constructor(host, view, pick) {
    Object.assign(this, { host, view, pick, hover: null });
    this.canvas = host.appendChild(document.createElement("canvas"));
    this.tip = Object.assign(host.appendChild(document.createElement("div")), { className: "tip", hidden: true });
    new ResizeObserver(() => this.draw()).observe(host);
    onTheme(() => this.draw());
    this.#listen();
  }

  draw() {
    const seen = this.view();
    const box = this.host.getBoundingClientRect();
    const k = devicePixelRatio || 1;
    const [width, height] = [Math.round(box.width * k), Math.round(box.height * k)];
    if (width < 10) return;
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    const g = this.canvas.getContext("2d");
    g.setTransform(k, 0, 0, k, 0, 0);
    g.clearRect(0, 0, box.width, box.height);
    const { rows, columns } = shape(seen.values.length);
    const left = 22;
    const bottom = 18;
    this.grid = { rows, columns, left, w: (box.width - left) / columns, h: (box.height - bottom) / rows };
    this.#labels(g, box, bottom);
    this.#cells(g, seen);
    for (const index of seen.outliers) this.#ring(g, index, "--text-1", 0.5, 2);
    if (seen.named != null) this.#frame(g, seen.named, seen.name, box);
    this.#ring(g, seen.selected, "--s1", 3, 3);
    this.#ring(g, seen.selected, "--select", 5, 2);
    if (this.hover != null && this.hover !== seen.selected) this.#ring(g, this.hover, "--text-1", 1, 1);
  }

  /** Colour of a value on the present scale. */
  colour(value, seen) {
    if (seen.mode === "deviation") {
      const share = Math.max(-1, Math.min(1, (value - seen.centre) / (seen.half || 1)));
      return mix(rgb(token("--track")), rgb(token(share < 0 ? "--cold" : "--hot")), Math.abs(share));
    }
    const share = Math.max(0, Math.min(1, (value - seen.low) / (seen.high - seen.low || 1)));
    return mix(rgb(token("--heat-0")), rgb(token("--heat-1")), share);
  }

  #labels(g, box, bottom) {
    const { rows, columns, left, w, h } = this.grid;
    g.font = `${parseFloat(getComputedStyle(document.documentElement).fontSize) * 0.75}px ${token("--font")}`;
    g.textBaseline = "middle";
    g.fillStyle = token("--text-2");
    g.textAlign = "right";
    for (let row = 0; row < rows; row++) g.fillText(String(row + 1), left - 7, (row + 0.5) * h);
    g.textAlign = "center";
    const shown = new Set([1, columns]);
    for (let column = 10; column < columns - 4; column += 10) shown.add(column);
    for (const column of shown) g.fillText(String(column), left + (column - 0.5) * w - (column === columns ? 3 : 0), box.height - bottom / 2 + 1);
  }

  #cells(g, seen) {
    const { columns, left, w, h } = this.grid;
    const gap = w > 6 ? 1 : 0.5;
    seen.values.forEach((value, index) => {
      const x = left + (index % columns) * w;
      const y = Math.floor(index / columns) * h;
      const old = value == null || seen.stale;
      g.fillStyle = value == null ? token("--inset") : this.colour(value, seen);
      g.fillRect(x, y, w - gap, h - gap);
      if (old) hatch(g, x, y, w - gap, h - gap);
    });
  }

  #ring(g, index, colour, out, width) {
    if (index == null) return;
    const { columns, left, w, h } = this.grid;
    g.strokeStyle = token(colour);
    g.lineWidth = width;
    g.strokeRect(left + (index % columns) * w - out, Math.floor(index / columns) * h - out, w - 1 + 2 * out, h - 1 + 2 * out);
  }

  // The cell with an anomaly: a double frame and its name beside it, whatever the map shows.
  #frame(g, index, name, box) {
    this.#ring(g, index, "--s1", 2, 4);
    this.#ring(g, index, "--text-1", 2, 2);
    this.#ring(g, index, "--text-1", 7, 1.5);
    const { columns, left, w, h } = this.grid;
    const text = `! ${name}`;
    const width = g.measureText(text).width + 10;
    const right = left + (index % columns) * w + w + 10;
    const x = right + width > box.width ? right - w - 20 - width : right;
    const y = Math.floor(index / columns) * h + h / 2;
    g.fillStyle = token("--s1");
    g.fillRect(x, y - 10, width, 20);
    g.strokeStyle = token("--text-1");
    g.lineWidth = 1;
    g.strokeRect(x + 0.5, y - 9.5, width - 1, 19);
    g.fillStyle = token("--text-1");
    g.textAlign = "left";
    g.textBaseline = "middle";
    g.fillText(text, x + 5, y + 1);
  }

  #at(event) {
    const box = this.host.getBoundingClientRect();
    const { rows, columns, left, w, h } = this.grid;
    const column = Math.floor((event.clientX - box.left - left) / w);
    const row = Math.floor((event.clientY - box.top) / h);
    const index = row * columns + column;
    return column >= 0 && column < columns && row >= 0 && row < rows && index < this.view().values.length ? index : null;
  }

  #listen() {
    const { host, tip } = this;
    host.addEventListener("pointermove", (event) => {
      this.hover = this.#at(event);
      this.draw();
      this.#showTip();
    });
    host.addEventListener("pointerleave", () => { this.hover = null; tip.hidden = true; this.draw(); });
    host.addEventListener("click", (event) => { const index = this.#at(event); if (index != null) this.pick(index); });
    host.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1, ArrowUp: -this.grid.columns, ArrowDown: this.grid.columns }[event.key];
      if (!step) return;
      event.preventDefault();
      const next = this.view().selected + step;
      if (next >= 0 && next < this.view().values.length) this.pick(next);
    });
  }

  #showTip() {
    const { tip, host, hover } = this;
    tip.hidden = hover == null;
    if (hover == null) return;
    const { columns, left, w, h } = this.grid;
    tip.textContent = this.view().say(hover);
    const x = Math.min(host.clientWidth - tip.offsetWidth - 2, left + (hover % columns) * w + 14);
    const y = Math.min(host.clientHeight - 26, Math.floor(hover / columns) * h + h + 4);
    tip.style.transform = `translate(${Math.round(Math.max(0, x))}px, ${Math.round(y)}px)`;
  }
}

function hatch(g, x, y, w, h) {
  g.save();
  g.beginPath();
  g.rect(x, y, w, h);
  g.clip();
  g.strokeStyle = token("--text-3");
  g.lineWidth = 1;
  for (let d = -h; d < w + h; d += 5) { g.beginPath(); g.moveTo(x + d, y + h); g.lineTo(x + d + h, y); g.stroke(); }
  g.restore();
}

/** The scale beside the map: a ramp and its two ends. */
export function drawRamp(canvas, map, seen, unit, digits) {
  const g = canvas.getContext("2d");
  const [low, high] = seen.mode === "deviation" ? [seen.centre - seen.half, seen.centre + seen.half] : [seen.low, seen.high];
  for (let x = 0; x < canvas.width; x++) {
    g.fillStyle = map.colour(low + ((high - low) * x) / (canvas.width - 1), seen);
    g.fillRect(x, 0, 1, canvas.height);
  }
  if (seen.centre == null) return [t("no data yet"), ""];
  if (seen.mode === "deviation") return [`${number(-seen.half, digits)}`, `${number(seen.half, digits, true)} ${unit}`];
  return [number(low, digits), `${number(high, digits)} ${unit}`];
}
