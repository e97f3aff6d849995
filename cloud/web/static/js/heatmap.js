// Every cell of a rack, or of all racks, on one canvas: a row is a pack, or a rack. Grey ramp for
// values, cold-grey-warm for deviations; outliers ringed, cells without fresh value hatched, the
// selected cell blue with a gap.
import { onTheme, token } from "./dom.js";
import { number } from "./format.js";
import { t } from "./words.js";

// Scale of the median absolute deviation to a standard deviation (normal distribution).
const MAD_TO_SIGMA = 1.4826;
export const OUTLIER = 4;
const PACKS = 8;
// Room for the names of rows and for the numbers of columns, px; least distance of two of them.
const LEFT = 22;
const BOTTOM = 18;
const LABEL_PX = 60;

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
   *   named: {index: number, name: string}[], say: (index: number) => string,
   *   grid: ?{rows: number, columns: number, left: number, names: string[]},
   *   staleRow: ?(row: number) => boolean}} view what to draw; cells `named` are framed and bear
   *   their names; `grid` takes the place of a rack's packs; a value of undefined is no cell
   * @param {(index: number) => void} pick called when a cell is clicked, or Enter pressed on it
   * @param {(index: number) => void} move called when the arrow keys lead to a cell; else `pick`
   */
  constructor(host, view, pick, move = pick) {
    Object.assign(this, { host, view, pick, move, hover: null, base: document.createElement("canvas") });
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
    const { rows, columns, left = LEFT, names = null } = seen.grid ?? shape(seen.values.length);
    this.grid = { rows, columns, left, names, w: (box.width - left) / columns, h: (box.height - BOTTOM) / rows };
    Object.assign(this.base, { width, height });
    const g = this.base.getContext("2d");
    g.setTransform(k, 0, 0, k, 0, 0);
    this.#labels(g, box);
    this.#cells(g, seen);
    for (const index of seen.outliers) this.#ring(g, index, "--text-1", 0.5, 2);
    for (const { index, name } of seen.named) this.#frame(g, index, name, box);
    this.#ring(g, seen.selected, "--s1", 3, 3);
    this.#ring(g, seen.selected, "--select", 5, 2);
    this.drawn = { seen, k };
    this.#point();
  }

  // What was drawn, with the cell under the pointer ringed: thousands of cells are not drawn anew for it.
  #point() {
    if (!this.drawn) return;
    const { seen, k } = this.drawn;
    const g = this.canvas.getContext("2d");
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.clearRect(0, 0, this.canvas.width, this.canvas.height);
    g.drawImage(this.base, 0, 0);
    g.setTransform(k, 0, 0, k, 0, 0);
    if (this.hover != null && this.hover !== seen.selected) this.#ring(g, this.hover, "--text-1", 1, 1);
  }

  /** How values are coloured on the present scale. */
  palette(seen) {
    const [track, cold, hot, from, to] = ["--track", "--cold", "--hot", "--heat-0", "--heat-1"].map((name) => rgb(token(name)));
    if (seen.mode === "deviation") return (value) => {
      const share = Math.max(-1, Math.min(1, (value - seen.centre) / (seen.half || 1)));
      return mix(track, share < 0 ? cold : hot, Math.abs(share));
    };
    return (value) => mix(from, to, Math.max(0, Math.min(1, (value - seen.low) / (seen.high - seen.low || 1))));
  }

  #labels(g, box) {
    const { rows, columns, left, names, w, h } = this.grid;
    g.font = `${parseFloat(getComputedStyle(document.documentElement).fontSize) * 0.75}px ${token("--font")}`;
    g.textBaseline = "middle";
    g.fillStyle = token("--text-2");
    g.textAlign = "right";
    for (let row = 0; row < rows; row++) g.fillText(names?.[row] ?? String(row + 1), left - 7, (row + 0.5) * h);
    g.textAlign = "center";
    const shown = new Set([1, columns]);
    const step = [10, 20, 50, 100].find((n) => n * w >= LABEL_PX) ?? columns;
    for (let column = step; column < columns - 0.4 * step; column += step) shown.add(column);
    for (const column of shown) g.fillText(String(column), Math.min(left + (column - 0.5) * w, box.width - g.measureText(String(column)).width / 2), box.height - BOTTOM / 2 + 1);
  }

  #cells(g, seen) {
    const { columns, left, w, h } = this.grid;
    const inset = token("--inset");
    const old = [];
    const [gap, under] = w > 6 ? [1, 1] : w > 4 ? [0.5, 0.5] : [0, 1];
    const colour = this.palette(seen);
    seen.values.forEach((value, index) => {
      if (value === undefined) return;
      const x = left + (index % columns) * w;
      const y = Math.floor(index / columns) * h;
      g.fillStyle = value == null ? inset : colour(value);
      g.fillRect(x, y, w - gap, h - under);
      if (value == null || seen.stale) old.push([x, y]);
    });
    if (seen.staleRow) return this.#staleRows(g, seen, under);
    for (const [x, y] of old) hatch(g, x, y, w - gap, h - under);
  }

  // Cells of a rack are too narrow to be hatched one by one.
  #staleRows(g, { staleRow, values }, under) {
    const { rows, columns, left, w, h } = this.grid;
    for (let row = 0; row < rows; row++) {
      const cells = values.slice(row * columns, (row + 1) * columns).filter((v) => v !== undefined);
      if (staleRow(row)) hatch(g, left, row * h, cells.length * w, h - under);
    }
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
    return column >= 0 && column < columns && row >= 0 && row < rows && this.drawn.seen.values[index] !== undefined ? index : null;
  }

  #listen() {
    const { host, tip } = this;
    host.addEventListener("pointermove", (event) => {
      this.hover = this.#at(event);
      this.#point();
      this.#showTip();
    });
    host.addEventListener("pointerleave", () => { this.hover = null; tip.hidden = true; this.#point(); });
    host.addEventListener("click", (event) => { const index = this.#at(event); if (index != null) this.pick(index); });
    host.addEventListener("keydown", (event) => {
      const { values, selected } = this.view();
      if (event.key === "Enter" && values[selected] !== undefined) return this.pick(selected);
      const step = { ArrowRight: 1, ArrowLeft: -1, ArrowUp: -this.grid.columns, ArrowDown: this.grid.columns }[event.key];
      if (!step) return;
      event.preventDefault();
      if (values[selected + step] !== undefined) this.move(selected + step);
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
  const colour = map.palette(seen);
  for (let x = 0; x < canvas.width; x++) {
    g.fillStyle = colour(low + ((high - low) * x) / (canvas.width - 1));
    g.fillRect(x, 0, 1, canvas.height);
  }
  if (seen.centre == null) return [t("no data yet"), ""];
  if (seen.mode === "deviation") return [`${number(-seen.half, digits)}`, `${number(seen.half, digits, true)} ${unit}`];
  return [number(low, digits), `${number(high, digits)} ${unit}`];
}
