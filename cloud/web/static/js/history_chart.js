// One axis of the history page: the signals of one unit over time, with the band between the lowest
// and the highest value of each bucket. Dragging opens a range, a double click leaves it.
import uPlot from "../vendor/uplot/uPlot.esm.js";
import { font, rem } from "./chart.js";
import { faded, onTheme, token } from "./dom.js";
import { number } from "./format.js";
import { drawn } from "./history_data.js";
import { Legend } from "./history_legend.js";
import { DASH, pen } from "./history_pens.js";
import { axisTimes } from "./history_times.js";

const BAND = 0.2;
// Samples are drawn as dots where each has at least this much room, in pixels.
const ROOM = 9;
const LEAST_DRAG = 6;
const PAD = 0.06;
const STATE_PAD = 0.6;
const KEY_STEPS = 96;

export class HistoryChart {
  /**
   * @param {HTMLElement} place gets the figure.
   * @param {{unit: string, rows: object[]}} group what it shows.
   * @param {{zone: string, axisRem: number, tall: string, open: (fromS: number, toS: number) => void,
   *   out: (atS: ?number) => void, closer: (atS: number) => void,
   *   walk: (left: number) => void, mark: (left: number, width: number) => void,
   *   resized: () => void}} spec what concerns all charts of the page
   */
  constructor(place, group, spec) {
    Object.assign(this, { spec, group });
    this.legend = new Legend(group, spec.zone);
    this.host = Object.assign(document.createElement("div"), { className: `chart ${spec.tall}`, tabIndex: 0 });
    this.host.setAttribute("role", "img");
    this.figure = document.createElement("figure");
    this.figure.append(this.legend.node, this.host);
    place.append(this.figure);
    this.x = [0, 1];
    this.plot = new uPlot(this.#options(), [[0, 1], ...group.rows.flatMap(() => [[null, null], [null, null], [null, null]])], this.host);
    this.watch = new ResizeObserver(() => this.#resize());
    this.watch.observe(this.host);
    this.unpaint = onTheme(() => this.plot.redraw(false, true));
    this.window = this.plot.over.appendChild(Object.assign(document.createElement("div"), { className: "window", hidden: true }));
    this.#drag();
    this.#keys();
  }

  /** Show the part that is being dragged open; a width of 0 hides it. */
  mark(left, width) {
    this.window.hidden = !width;
    Object.assign(this.window.style, { left: `${left}px`, width: `${width}px` });
  }

  /** Show the rows of `group` over [from, to] (seconds). */
  set(from, to, group, resolution, label) {
    Object.assign(this, { group, resolution, x: [from, to] });
    const tables = group.rows.map((row) => drawn(row, resolution, this.spec.zone));
    const joined = uPlot.join(tables.map(([times, values, high, low]) => (times.length ? [times, high, low, values] : [[from], [null], [null], [null]])), tables.map(() => [1, 1, 1, 1]));
    this.plot.setData(joined, false);
    this.plot.batch(() => {
      this.plot.setScale("x", { min: from, max: to });
      const [low, high] = this.#range();
      this.plot.setScale("y", { min: low, max: high });
    });
    this.host.setAttribute("aria-label", label);
    this.legend.set(group, resolution, this.x);
  }

  destroy() {
    this.unpaint();
    this.watch.disconnect();
    this.plot.destroy();
    this.figure.remove();
  }

  /** Where the plot itself lies in its host, in CSS pixels: [left, width]. */
  get area() {
    return [this.plot.over.offsetLeft, this.plot.over.clientWidth];
  }

  #range() {
    let low = Infinity;
    let high = -Infinity;
    const { known } = this.group.rows[0];
    for (const { values, low: lows, high: highs } of this.group.rows) {
      (lows ?? values).forEach((v) => { if (v != null && v < low) low = v; });
      (highs ?? values).forEach((v) => { if (v != null && v > high) high = v; });
    }
    if (low > high) return [0, 1];
    if (known.kind === "state") return [low - STATE_PAD, high + STATE_PAD];
    const least = 10 ** -known.digits * 4;
    const pad = Math.max(least - (high - low), (high - low) * PAD * 2) / 2;
    return [low - pad, high + pad];
  }

  #options() {
    const { zone, axisRem } = this.spec;
    const axis = { stroke: () => token("--text-2"), font: font(), grid: { stroke: () => token("--line"), width: 1 }, ticks: { show: false } };
    const { known } = this.group.rows[0];
    const states = known.kind === "state" ? known.words : null;
    const whole = states ? { splits: () => statesOf(this.group.rows).map(([v]) => v) } : {};
    return {
      width: this.host.clientWidth || 600,
      height: this.host.clientHeight || 200,
      padding: [rem() * 0.6, rem() * 0.9, 0, 0],
      legend: { show: false },
      cursor: {
        sync: { key: "history", setSeries: false }, y: false, points: { show: false },
        drag: { setScale: false, x: false, y: false }, bind: { dblclick: () => null },
      },
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1e3), zone),
      scales: { x: { time: true, auto: false }, y: { auto: false } },
      axes: [
        { ...axis, size: rem() * 2.5, gap: 4, space: rem() * 5.2, values: (_, splits, __, ___, step) => axisTimes(splits, step, zone) },
        { ...axis, ...whole, size: rem() * axisRem, gap: 5, space: rem() * 1.9, values: (_, splits, __, ___, step) => splits.map((v) => states?.get(v) ?? number(v, decimals(step))) },
      ],
      series: [{}, ...this.group.rows.flatMap((row, n) => this.#series(row, pen(n)))],
      bands: this.group.rows.flatMap(({ low }, n) => (low ? [{ series: [1 + 3 * n, 2 + 3 * n], fill: () => faded(token(pen(n).colour), BAND) }] : [])),
      hooks: { draw: [(plot) => this.#zero(plot)], setCursor: [() => this.#tell()] },
    };
  }

  // Highest, lowest, value: the edges of the band are drawn first and have no line of their own.
  #series({ buckets, known }, { colour, dashed }) {
    const paths = buckets || known.stepped ? uPlot.paths.stepped({ align: 1 }) : uPlot.paths.linear();
    const edge = { paths, width: 0, stroke: () => "transparent", spanGaps: false, points: { show: false } };
    const stroke = () => token(colour);
    const line = {
      paths, stroke, width: 1.5, dash: dashed ? DASH : undefined, spanGaps: false,
      points: { show: false, filter: (plot, i) => (buckets ? null : lonely(plot, i)), size: 4, stroke, fill: stroke },
    };
    return [edge, { ...edge }, line];
  }

  #zero(plot) {
    const { min, max } = plot.scales.y;
    if (!(min < 0 && max > 0) || this.group.rows[0].known.kind === "state") return;
    const { ctx, bbox } = plot;
    const at = Math.round(plot.valToPos(0, "y", true)) + 0.5;
    ctx.save();
    ctx.strokeStyle = token("--line-2");
    ctx.lineWidth = devicePixelRatio;
    ctx.beginPath();
    ctx.moveTo(bbox.left, at);
    ctx.lineTo(bbox.left + bbox.width, at);
    ctx.stroke();
    ctx.restore();
  }

  #tell() {
    const { left } = this.plot.cursor;
    this.legend.tell(left == null || left < 0 ? null : this.plot.posToVal(left, "x"));
  }

  // A range is dragged open with mouse, pen or finger; a vertical move of a finger scrolls the page.
  #drag() {
    const { over } = this.plot;
    const at = (event) => Math.max(0, Math.min(over.clientWidth, event.clientX - over.getBoundingClientRect().left));
    let start = null;
    const end = () => { start = null; this.spec.mark(0, 0); };
    over.addEventListener("pointerdown", (event) => {
      if (event.button || !event.isPrimary) return;
      start = at(event);
      over.setPointerCapture(event.pointerId);
    });
    over.addEventListener("pointermove", (event) => {
      if (start != null) this.spec.mark(Math.min(start, at(event)), Math.abs(at(event) - start));
    });
    over.addEventListener("pointerup", (event) => {
      if (start == null) return;
      const [from, to] = [start, at(event)].sort((a, b) => a - b);
      end();
      if (to - from >= LEAST_DRAG) this.spec.open(this.plot.posToVal(from, "x"), this.plot.posToVal(to, "x"));
    });
    over.addEventListener("pointercancel", end);
    over.addEventListener("dblclick", () => this.spec.out(null));
  }

  // Arrow keys walk the cursor, + and − change the range around it; Escape lets it go.
  #keys() {
    const move = (left) => this.spec.walk(left);
    this.host.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const { clientWidth: width } = this.plot.over;
      const { left } = this.plot.cursor;
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      const at = left >= 0 ? this.plot.posToVal(left, "x") : (this.x[0] + this.x[1]) / 2;
      if (step) move(Math.max(0, Math.min(width, (left >= 0 ? left : width) + (step * width) / KEY_STEPS)));
      else if (event.key === "+" || event.key === "=") this.spec.closer(at);
      else if (event.key === "-") this.spec.out(at);
      else if (event.key === "Escape") move(-10);
      else return;
      event.preventDefault();
    });
    this.host.addEventListener("blur", () => move(-10));
  }

  #resize() {
    const { clientWidth: width, clientHeight: height } = this.host;
    if (width > 10 && height > 10 && (width !== this.plot.width || height !== this.plot.height)) {
      this.plot.setSize({ width, height });
      this.spec.resized();
    }
  }
}

const LEAST_AXIS_REM = 4;

/** Width that the values beside all these axes need, in rem: numbers, or the words of states. */
export function axisWidth(groups) {
  const pencil = document.createElement("canvas").getContext("2d");
  pencil.font = font();
  const words = groups.flatMap(({ rows }) => (rows[0].known.kind === "state" ? statesOf(rows).map(([, word]) => word) : []));
  return Math.max(LEAST_AXIS_REM, ...words.map((word) => pencil.measureText(word).width / rem() + 0.6));
}

/** Values and words of the states that occur in these rows, in order. */
function statesOf(rows) {
  const seen = new Set(rows.flatMap(({ values }) => [...new Set(values)]));
  return [...rows[0].known.words].filter(([v]) => seen.has(v));
}

/** Decimals that tell two ticks of this distance apart. */
function decimals(step) {
  let digits = 0;
  while (digits < 6 && Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits)) > 1e-6) digits += 1;
  return digits;
}

// Samples that no line shows: those between two holes; all of them where there is room for dots.
function lonely(plot, i) {
  const values = plot.data[i];
  const seen = [...values.keys()].filter((k) => values[k] !== undefined);
  const known = seen.filter((k) => values[k] !== null);
  if (known.length * ROOM < plot.over.clientWidth) return known;
  return seen.filter((k, j) => values[k] !== null && values[seen[j - 1]] == null && values[seen[j + 1]] == null);
}
