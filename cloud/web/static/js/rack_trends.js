// Trends of a rack over a chosen range: cells, current, and SOC as the BMS tells it and as it is
// estimated, with the interval as a band.
import { cloudNow } from "./console.js";
import { drawSpark } from "./bars.js";
import { Chart } from "./chart.js";
import { all, one, press, say } from "./dom.js";
import { number } from "./format.js";
import { facts, value } from "./live.js";
import { append, freshSeries } from "./series.js";
import { t } from "./words.js";

const { rack } = facts;
const TREND_EVERY_MS = 60_000;
const EDGE = { label: "", name: "", colour: "--c-act", width: 0 };
const estimated = facts.estimated.includes(rack);
const nowS = () => cloudNow() / 1e3;

/** Lowest and highest of all values with room around them, at least `least` apart. */
export function span5(tables, least) {
  const known = tables.flatMap(([, values]) => values).filter((v) => v != null);
  if (!known.length) return [0, 1];
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const pad = Math.max(least - (high - low), (high - low) * 0.2) / 2;
  return [low - pad, high + pad];
}

const TRENDS = [
  { id: "trend-voltage", least: 0.05, digits: 3, ticks: (v) => number(v, 2), parts: [["cell_voltage_max_v", t("highest"), "sched", "--c-sched"], ["cell_voltage_mean_v", t("mean"), "act", "--c-act"], ["cell_voltage_min_v", t("lowest"), "alt", "--c-alt"]] },
  { id: "trend-temperature", least: 4, digits: 1, ticks: (v) => number(v, 1), parts: [["cell_temperature_max_c", t("highest"), "sched", "--c-sched"], ["cell_temperature_mean_c", t("mean"), "act", "--c-act"], ["cell_temperature_min_c", t("lowest"), "alt", "--c-alt"]] },
  { id: "trend-current", least: 50, digits: 1, ticks: (v) => number(v, 0), parts: [["current_a", t("measured"), "act", "--c-act"]] },
  { id: "trend-soc", least: 5, digits: 1, scale: 100, ticks: (v) => number(v, 0), parts: [["soc", t("BMS"), "sched", "--c-sched"], ...(estimated ? [["soc_estimate", t("estimate"), "act", "--c-act"], ["soc_half_width", "", "act", "--c-act"]] : [])], drawn: estimated ? band : null, edges: estimated ? [EDGE, EDGE] : [] },
];
// The half width is drawn as the edges of a band around the estimate before it.
function band([bms, [times, middles], [, halves]]) {
  const edge = (sign) => [times, middles.map((v, i) => (v == null || halves[i] == null ? null : v + sign * halves[i]))];
  return [bms, [times, middles], edge(-1), edge(1)];
}

const YOUNG_S = 1800;
let minutes = 60;
let chosen = false;
const drawnOf = (trend) => trend.drawn?.(trend.tables) ?? trend.tables;
for (const trend of TRENDS) {
  trend.tables = trend.parts.map(() => [[], []]);
  trend.chart = new Chart(trend.id, {
    zone: facts.zone, ticks: trend.ticks, y: () => span5(drawnOf(trend), trend.least),
    series: [...trend.parts.filter(([, label]) => label).map(([, label, name, colour]) => ({ label, name, colour, digits: trend.digits })), ...(trend.edges ?? [])],
    bands: trend.edges?.length ? [{ edges: [3, 2], colour: "--c-act" }] : [],
  });
}

/** Ask for the trends now and every minute. */
export function showTrends() {
  loadTrends();
  setInterval(loadTrends, TREND_EVERY_MS);
}

async function loadTrends() {
  const signals = TRENDS.flatMap((trend) => trend.parts.map(([signal]) => `${rack}:${signal}`));
  try {
    const tables = await freshSeries(facts.station, signals, cloudNow() - minutes * 60_000, cloudNow());
    for (const trend of TRENDS) {
      trend.tables = tables.splice(0, trend.parts.length).map(([times, values]) => [times, values.map((v) => (v == null ? null : v * (trend.scale ?? 1)))]);
    }
    chooseRange();
    drawTrends();
    sparks();
  } catch (error) {
    if (error.status !== 404) say(error.message);
  }
}

// A station that has run for minutes only would be a dot on an hour's axis.
function chooseRange() {
  const first = TRENDS[0].tables[0][0][0];
  if (chosen || first === undefined || first < nowS() - YOUNG_S) return;
  minutes = 10;
  press(one("#range"), one('#range [data-range="10"]'));
}

function drawTrends() {
  for (const trend of TRENDS) trend.chart.set(nowS() - minutes * 60, nowS(), drawnOf(trend));
}

// Highest minus lowest; both series are of the same samples.
const spreadOf = ({ tables }) => tables[0][1].map((v, i) => (v == null || tables[2][1][i] == null ? null : v - tables[2][1][i]));

function thin(host, values) {
  const step = Math.max(1, Math.floor(values.length / 120));
  drawSpark(host, values.filter((_, i) => i % step === 0));
}

function sparks() {
  for (const host of all("[data-spark]")) {
    const [owner, signal] = host.dataset.spark.split(":");
    if (owner === "spread") { thin(host, spreadOf(signal === "t" ? TRENDS[1] : TRENDS[0])); continue; }
    for (const trend of TRENDS) {
      const index = trend.parts.findIndex(([name]) => name === signal);
      if (index < 0) continue;
      thin(host, trend.tables[index][1]);
    }
  }
}

/** Go on with the newest image. */
export function grow(image) {
  const at = image?.times_ms[rack];
  if (at == null) return;
  for (const trend of TRENDS) {
    trend.parts.forEach(([signal], i) => {
      const now = value(`${rack}:${signal}`);
      append(trend.tables[i], at / 1e3, now == null ? null : now * (trend.scale ?? 1), nowS() - minutes * 60);
    });
  }
  drawTrends();
}

one("#range").addEventListener("click", (event) => {
  const button = event.target.closest("[data-range]");
  if (!button) return;
  chosen = true;
  minutes = Number(button.dataset.range);
  press(one("#range"), button);
  loadTrends();
});
