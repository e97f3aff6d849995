// Line charts over time: uPlot with our tokens, steps for plans, dashed limits, a now-line, one
// cursor over all charts of a page, values at the cursor (else at now) in the legend.
import uPlot from "../vendor/uplot/uPlot.esm.js";
import { faded, onTheme, one, token, write } from "./dom.js";
import { clock, number, tick } from "./format.js";

const FONT_REM = 0.75;
const BAND = 0.25;
const sync = uPlot.sync("page");

export const rem = () => parseFloat(getComputedStyle(document.documentElement).fontSize);
export const font = () => `${rem() * FONT_REM}px ${token("--font")}`;

/** Which value of a series is shown at time `at`: the step in force, or the nearest sample before. */
function valueAt(times, values, at) {
  let low = 0;
  let high = times.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (times[middle] <= at) low = middle; else high = middle - 1;
  }
  for (let i = low; i >= 0; i--) if (values[i] !== undefined) return times[i] <= at ? values[i] : null;
  return null;
}

export class Chart {
  /**
   * @param {string} id of the host element.
   * @param {{zone: string, y: () => number[], ticks?: (v: number) => string, height?: number,
   *   series: {label: string, name: string, colour: string, step?: boolean, dash?: number[],
   *   width?: number, fill?: string, digits?: number|(() => number)}[], now?: () => number,
   *   lines?: () => {y: number, label?: string}[], dayEnd?: () => number, percent?: boolean,
   *   timeless?: boolean, bands?: {edges: number[], colour: string}[]}} spec; a series with `percent`
   *   is drawn on an axis of its own, 0 to 100 %; a band lies between two series, counted from 0,
   *   which have no line of their own where their `width` is 0; `unscaled` turns a value that is
   *   drawn to another scale back into what the legend tells
   */
  constructor(id, spec) {
    this.host = document.getElementById(id);
    this.legend = one(`[data-legend="${id}"]`);
    this.spec = spec;
    this.x = [0, 1];
    this.plot = new uPlot(this.#options(), [[0, 1], ...spec.series.map(() => [null, null])], this.host);
    this.#buildLegend();
    new ResizeObserver(() => this.#resize()).observe(this.host);
    onTheme(() => this.plot.redraw(false, true));
    this.#keys();
  }

  /** Show [from, to] (seconds) with one [times, values] table for each series. */
  set(from, to, tables) {
    this.x = [from, to];
    this.tables = tables;
    const joined = uPlot.join(tables.map(([times, values]) => [times.length ? times : [from], times.length ? values : [null]]), tables.map(() => [1, 1]));
    this.plot.setData(joined, false);
    this.plot.batch(() => {
      this.plot.setScale("x", { min: from, max: to });
      const [low, high] = this.spec.y();
      this.plot.setScale("y", { min: low, max: high });
    });
    this.#tell();
  }

  #options() {
    const { spec } = this;
    const axis = { stroke: () => token("--text-2"), font: font(), grid: { stroke: () => token("--line"), width: 1 }, ticks: { show: false } };
    return {
      width: this.host.clientWidth || 600,
      height: this.host.clientHeight || 200,
      padding: [rem() * 0.6, spec.percent ? 0 : rem() * 1.1, 0, 0],
      legend: { show: false },
      cursor: { sync: { key: sync.key, setSeries: false }, y: false, points: { show: false }, drag: { setScale: false, x: false, y: false } },
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1e3), spec.zone),
      scales: { x: { time: true, auto: false }, y: { auto: false }, percent: { auto: false, range: () => [0, 100] } },
      axes: [
        { ...axis, size: rem() * 1.6, gap: 4, space: rem() * 4.2, values: (_, splits, __, ___, step) => splits.map((s) => tick(s * 1e3, spec.zone, step < 60, (spec.dayEnd?.() ?? 0) * 1e3)) },
        { ...axis, size: rem() * 2.6, gap: 5, space: rem() * 2, values: (_, splits) => splits.map((v) => spec.ticks?.(v) ?? number(v, 0)) },
        ...(spec.percent ? [{ ...axis, scale: "percent", side: 1, size: rem() * 2.8, gap: 5, grid: { show: false }, splits: () => [0, 50, 100], values: (_, splits) => splits.map((v) => (v === 100 ? "100 %" : String(v))) }] : []),
      ],
      series: [{}, ...spec.series.map((one_) => this.#series(one_))],
      bands: (spec.bands ?? []).map(({ edges, colour }) => ({ series: edges.map((i) => i + 1), fill: () => faded(token(colour), BAND) })),
      hooks: { draw: [(plot) => this.#marks(plot)], setCursor: [() => this.#tell()] },
    };
  }

  #series({ label, colour, step, dash, width = 1.5, fill, percent }) {
    return {
      label, scale: percent ? "percent" : "y", dash, width, spanGaps: false, points: { show: false },
      stroke: () => token(colour),
      fill: fill ? () => faded(token(fill), 0.45) : undefined,
      fillTo: 0,
      paths: step ? uPlot.paths.stepped({ align: 1 }) : uPlot.paths.linear(),
    };
  }

  // Zero line, limits and now; drawn over the grid with the colours of the present theme.
  #marks(plot) {
    const { ctx, bbox } = plot;
    const k = devicePixelRatio;
    const across = (y, colour, dash) => {
      const at = Math.round(plot.valToPos(y, "y", true)) + 0.5;
      ctx.strokeStyle = colour; ctx.setLineDash(dash.map((d) => d * k)); ctx.lineWidth = 1.25 * k;
      ctx.beginPath(); ctx.moveTo(bbox.left, at); ctx.lineTo(bbox.left + bbox.width, at); ctx.stroke();
      return at;
    };
    ctx.save();
    ctx.font = `${rem() * FONT_REM * k}px ${token("--font")}`;
    ctx.textAlign = "left";
    const { min, max } = plot.scales.y;
    if (min < 0 && max > 0) across(0, token("--line-2"), []);
    for (const { y, label } of this.spec.lines?.() ?? []) {
      if (y == null || y < min || y > max) continue;
      const at = across(y, token("--c-limit"), [5, 4]);
      if (label) { ctx.fillStyle = token("--text-2"); ctx.fillText(label, bbox.left + 6 * k, at - 5 * k); }
    }
    this.#nowLine(ctx, plot, k);
    ctx.restore();
  }

  #nowLine(ctx, plot, k) {
    const now = this.spec.now?.();
    if (now == null || now < this.x[0] || now >= this.x[1]) return;
    const at = Math.round(plot.valToPos(now, "x", true)) + 0.5;
    const { top, height } = plot.bbox;
    ctx.setLineDash([]); ctx.lineWidth = k; ctx.strokeStyle = ctx.fillStyle = token("--text-2");
    ctx.beginPath(); ctx.moveTo(at, top); ctx.lineTo(at, top + height); ctx.stroke();
    ctx.beginPath(); ctx.moveTo(at - 4 * k, top - 6 * k); ctx.lineTo(at + 4 * k, top - 6 * k); ctx.lineTo(at, top); ctx.fill();
  }

  #buildLegend() {
    if (!this.legend) return;
    this.when = Object.assign(document.createElement("span"), { className: "n" });
    this.values = this.spec.series.map(({ label, name }) => {
      if (!label) return null;
      const item = document.createElement("span");
      const swatch = Object.assign(document.createElement("i"), { className: `sw ${name}` });
      const value = Object.assign(document.createElement("b"), { className: "n" });
      item.append(swatch, label, " ", value);
      return { item, value };
    });
    this.legend.replaceChildren(this.when, ...this.values.filter(Boolean).map(({ item }) => item));
  }

  #tell() {
    if (!this.legend || !this.tables || !this.values) return;
    const { left } = this.plot.cursor;
    const free = left == null || left < 0;
    const at = free ? Math.min(this.spec.now?.() ?? this.x[1], this.x[1]) : this.plot.posToVal(left, "x");
    if (!this.spec.timeless) write(this.when, clock(at * 1e3, this.spec.zone, this.x[1] - this.x[0] < 7200));
    this.spec.series.forEach(({ digits = 2, unscaled = (v) => v }, i) => {
      const [times, values] = this.tables[i] ?? [[], []];
      const value = times.length ? valueAt(times, values, at) : null;
      if (this.values[i]) write(this.values[i].value, number(value == null ? null : unscaled(value), typeof digits === "function" ? digits() : digits));
    });
  }

  // Arrow keys walk the cursor; Escape and leaving let it go.
  #keys() {
    const move = (left) => this.plot.setCursor({ left, top: 10 });
    this.host.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      const width = this.plot.over.clientWidth;
      if (step) {
        event.preventDefault();
        const now = this.spec.now?.();
        const start = this.plot.cursor.left >= 0 ? this.plot.cursor.left : now == null ? width : this.plot.valToPos(now, "x");
        move(Math.max(0, Math.min(width, start + (step * width) / 96)));
      } else if (event.key === "Escape") move(-10);
    });
    this.host.addEventListener("blur", () => move(-10));
  }

  #resize() {
    const { clientWidth: width, clientHeight: height } = this.host;
    if (width > 10 && height > 10 && (width !== this.plot.width || height !== this.plot.height)) this.plot.setSize({ width, height });
  }
}
