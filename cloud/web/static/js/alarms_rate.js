// Alarms per ten minutes over time, with the mark from which on they are a flood.
import uPlot from "../vendor/uplot/uPlot.esm.js";
import { font, rem } from "./chart.js";
import { ask } from "./console.js";
import { faded, onTheme, token } from "./dom.js";
import { number } from "./format.js";
import { axisTimes } from "./history_times.js";
import { t } from "./words.js";

const LEAST_TOP = 12;
const FILL = 0.45;

export class RateChart {
  /**
   * @param {string} id of the host element
   * @param {{zone: string, flood: number, rate: string}} facts market time, alarms in ten minutes
   *   from which on they are a flood, and the address that answers with {times_ms, counts, step_ms}
   */
  constructor(id, facts) {
    Object.assign(this, { host: document.getElementById(id), facts });
    this.plot = new uPlot(this.#options(), [[0, 1], [null, null]], this.host);
    new ResizeObserver(() => this.#resize()).observe(this.host);
    onTheme(() => this.plot.redraw(false, true));
  }

  /** Ask again and draw. */
  async load() {
    try {
      this.set(await ask(this.facts.rate));
    } catch { /* the next question may be answered */ }
  }

  /** Draw counts of buckets that begin at these times. */
  set({ times_ms: times, counts, step_ms: stepMs }) {
    if (!times.length) return;
    const x = times.map((at) => at / 1e3);
    const end = x[x.length - 1] + stepMs / 1e3;
    this.plot.setData([[...x, end], [...counts, counts[counts.length - 1]]], false);
    this.plot.batch(() => {
      this.plot.setScale("x", { min: x[0], max: end });
      this.plot.setScale("y", { min: 0, max: Math.max(LEAST_TOP, ...counts) * 1.1 });
    });
    const most = Math.max(...counts);
    this.host.setAttribute("aria-label", t("Alarms per 10 minutes: at most {most}, flood over {flood}", { most: number(most, 0), flood: number(this.facts.flood, 0) }));
  }

  #options() {
    const { zone } = this.facts;
    const axis = { stroke: () => token("--text-2"), font: font(), grid: { stroke: () => token("--line"), width: 1 }, ticks: { show: false } };
    return {
      width: this.host.clientWidth || 600,
      height: this.host.clientHeight || 120,
      padding: [rem() * 0.6, rem() * 1.4, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { setScale: false, x: false, y: false } },
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1e3), zone),
      scales: { x: { time: true, auto: false }, y: { auto: false } },
      axes: [
        { ...axis, size: rem() * 2.5, gap: 4, space: rem() * 5.2, values: (_, splits, __, ___, step) => axisTimes(splits, step, zone) },
        { ...axis, size: rem() * 3, gap: 5, space: rem() * 1.8, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000], values: (_, splits) => splits.map((v) => number(v, 0)) },
      ],
      series: [{}, { stroke: () => token("--c-sched"), fill: () => faded(token("--c-fill"), FILL), width: 1.5, points: { show: false }, paths: uPlot.paths.stepped({ align: 1 }) }],
      hooks: { draw: [(plot) => this.#flood(plot)] },
    };
  }

  #flood(plot) {
    const { ctx, bbox } = plot;
    const { flood } = this.facts;
    if (flood > plot.scales.y.max) return;
    const k = devicePixelRatio;
    const at = Math.round(plot.valToPos(flood, "y", true)) + 0.5;
    ctx.save();
    ctx.strokeStyle = token("--c-limit");
    ctx.setLineDash([5 * k, 4 * k]);
    ctx.lineWidth = 1.25 * k;
    ctx.beginPath();
    ctx.moveTo(bbox.left, at);
    ctx.lineTo(bbox.left + bbox.width, at);
    ctx.stroke();
    ctx.font = `${rem() * 0.75 * k}px ${token("--font")}`;
    ctx.fillStyle = token("--text-2");
    ctx.textAlign = "left";
    ctx.fillText(t("flood"), bbox.left + 6 * k, at - 5 * k);
    ctx.restore();
  }

  #resize() {
    const { clientWidth: width, clientHeight: height } = this.host;
    if (width > 10 && height > 10 && (width !== this.plot.width || height !== this.plot.height)) this.plot.setSize({ width, height });
  }
}
