// The rack page: which cell differs from its neighbours, which rack from its peers.
import { ask, cloudNow } from "./console.js";
import { drawBar, drawSpark } from "./bars.js";
import { CellsAt } from "./cells_at.js";
import { Chart } from "./chart.js";
import { all, one, press, say, write } from "./dom.js";
import { FORMS, NO_VALUE, number, span, tag } from "./format.js";
import { HeatMap, OUTLIER, cellName, drawRamp, robust, shape } from "./heatmap.js";
import { facts, isStale, onImage, start, value } from "./live.js";
import { append, freshSeries, series } from "./series.js";
import { t } from "./words.js";

const { rack } = facts;
const CELLS_EVERY_MS = 1_000;
const TREND_EVERY_MS = 60_000;
// A spread below the accuracy of the BMS's own measurement is no difference between cells.
const QUANTITIES = {
  temperature: { unit: "°C", difference: "K", digits: 1, accuracy: 0.25, half: 2 },
  voltage: { unit: "mV", difference: "mV", digits: 0, accuracy: 2.5, half: 5 },
};

let cells = { at_ms: null, stale: true, temperature: new Array(facts.cells).fill(null), voltage: new Array(facts.cells).fill(null) };
let quantity = "temperature";
let mode = "value";
let selected = null;
let found = { temperature: new Set(), voltage: new Set() };

const { rows, columns } = shape(facts.cells);
write(one("[data-shape]"), `${rows} × ${columns} = ${facts.cells}`);

function statistics(name) {
  return robust(cells[name], QUANTITIES[name].accuracy);
}

function view() {
  const values = cells[quantity];
  const { centre, sigma } = statistics(quantity);
  const { half, unit, difference, digits } = QUANTITIES[quantity];
  // The ramp spans what nine of ten cells do, so that one outlier does not flatten all others.
  const sorted = values.filter((v) => v != null).sort((a, b) => a - b);
  const low = sorted[Math.floor(sorted.length * 0.05)] ?? 0;
  const high = sorted[Math.ceil(sorted.length * 0.95) - 1] ?? 1;
  const stretch = Math.max(high - low, half);
  const middle = (low + high) / 2;
  return {
    values, mode, centre, selected: selected ?? 0, stale: cells.stale, outliers: found[quantity],
    low: middle - stretch / 2, high: middle + stretch / 2, half: Math.max(half, (sigma ?? 0) * OUTLIER),
    say: (i) => values[i] == null
      ? `${t("Cell")} ${cellName(i, columns)} · ${t("no fresh value")}`
      : `${t("Cell")} ${cellName(i, columns)} · ${number(values[i], digits)} ${unit} · ${number(values[i] - centre, digits, true)} ${difference} ${t("from the rack's median")} · ${span((cloudNow() - cells.at_ms) / 1e3)}`,
  };
}

const map = new HeatMap(one("#heat"), view, (index) => { select(index); say(view().say(index)); });

function paint() {
  map.draw();
  const { unit, difference, digits } = QUANTITIES[quantity];
  const [low, high] = drawRamp(one("#ramp"), map, view(), mode === "deviation" ? difference : unit, digits);
  write(one("[data-ramp-low]"), low);
  write(one("[data-ramp-high]"), high);
  showCell();
}

function outliers(name) {
  const { centre, sigma } = statistics(name);
  return new Set(cells[name].flatMap((v, i) => (v != null && sigma && Math.abs(v - centre) > OUTLIER * sigma ? [i] : [])));
}

const past = new CellsAt(facts.zone, () => { renew(); });
let turn = 0;

// Live cells are asked for again and again; those of a past time once.
async function renew() {
  const mine = ++turn;
  const at = past.at == null ? "" : `?at=${past.at}`;
  try {
    const answer = await ask(`/api/v1/stations/${facts.station}/cells/${rack}${at}`);
    if (mine !== turn) return;
    const other = cells.tier !== answer.tier || (past.at != null) !== cells.past || past.at != null;
    cells = { at_ms: answer.at_ms, stale: answer.stale, tier: answer.tier, past: past.at != null, temperature: answer.temperature_c, voltage: answer.voltage_v.map((v) => (v == null ? null : v * 1000)) };
    found = { temperature: outliers("temperature"), voltage: outliers("voltage") };
    past.tell(answer);
    if (selected == null) select(firstToShow());
    else if (other) select(selected);
    else paint();
  } catch (error) {
    if (mine !== turn) return;
    cells.stale = true;
    paint();
    if (error.status === 404) past.tell(null);
    else if (error.status) write(one("[data-cells-age]"), error.message);
  } finally {
    if (mine === turn && past.at == null) setTimeout(() => { if (mine === turn) renew(); }, CELLS_EVERY_MS);
  }
}

// What a person would look for: the worst outlier, else the warmest cell.
function firstToShow() {
  const { centre } = statistics("temperature");
  const far = [...found.temperature].sort((a, b) => Math.abs(cells.temperature[b] - centre) - Math.abs(cells.temperature[a] - centre));
  return far[0] ?? [...found.voltage][0] ?? warmest();
}

const extremeOf = (values, better) => values.reduce((best, v, i) => (v != null && (best < 0 || better(v, values[best])) ? i : best), -1);
const warmest = () => Math.max(0, extremeOf(cells.temperature, (a, b) => a > b));
const lowest = () => Math.max(0, extremeOf(cells.voltage, (a, b) => a < b));

function showCell() {
  const i = selected ?? 0;
  write(one("[data-cell-name]"), `${tag(rack)}.${cellName(i, columns)}`);
  for (const name of ["temperature", "voltage"]) {
    const { unit, difference, digits } = QUANTITIES[name];
    const { centre } = statistics(name);
    const v = cells[name][i];
    const place = one(`[data-cell="${name}"]`);
    write(place, v == null ? NO_VALUE : `${number(v, digits)} ${unit}`);
    place.closest("dd").classList.toggle("stale", v == null || cells.stale);
    write(one(`[data-cell="${name}-deviation"]`), v == null ? "" : `${number(v - centre, digits, true)} ${difference}`);
  }
  const v = cells.temperature[i];
  const warmer = cells.temperature.filter((other) => other != null && other > v).length;
  write(one('[data-cell="rank"]'), v == null ? NO_VALUE : `${warmer + 1} / ${facts.cells}`);
  const odd = [found.temperature.has(i) && t("temperature outlier"), found.voltage.has(i) && t("voltage outlier")].filter(Boolean);
  write(one('[data-cell="finding"]'), odd.join(", ") || t("like its neighbours"));
  one("#cell-history").href = cellHistory(i);
  write(one("[data-cells-age]"), cells.at_ms == null ? t("no data yet") : t("{age} ago", { age: span((cloudNow() - cells.at_ms) / 1e3) }));
  one("[data-cells-age]").classList.toggle("stale", cells.stale);
}

// The history page with this cell: the last 24 h, or the hours around the map.
function cellHistory(i) {
  const query = new URLSearchParams(["temperature_c", "voltage_v"].map((name) => ["signal", `${rack}:cell_${name}:${i + 1}`]));
  const around = past.around(cells.tier);
  if (around) { query.set("from", around[0]); query.set("to", around[1]); } else query.set("range", "day");
  return `/stations/${facts.station}/history?${query.toString().replaceAll("%3A", ":")}`;
}

const nowS = () => cloudNow() / 1e3;
const span5 = (tables, least) => {
  const known = tables.flatMap(([, values]) => values).filter((v) => v != null);
  if (!known.length) return [0, 1];
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const pad = Math.max(least - (high - low), (high - low) * 0.2) / 2;
  return [low - pad, high + pad];
};

let cellTables = [[[], []], [[], []]];
const cellChart = new Chart("cell-chart", {
  zone: facts.zone,
  now: () => (past.at == null ? nowS() : past.at / 1e3),
  y: () => span5(cellTables, 3),
  ticks: (v) => number(v, 1),
  series: [
    { label: t("rack mean"), name: "sched", colour: "--c-sched", digits: 1 },
    { label: t("cell, °C"), name: "act", colour: "--c-act", width: 1.75, digits: 1 },
  ],
});

let asked = 0;
async function loadCell() {
  const mine = ++asked;
  const [from, to, resolution] = past.around(cells.tier) ?? [cloudNow() - 60 * 60_000, cloudNow() + 1000, "raw"];
  try {
    const tables = await series(facts.station, [`${rack}:cell_temperature_mean_c`, `${rack}:cell_temperature_c:${(selected ?? 0) + 1}`], from, to, resolution);
    if (mine !== asked) return;
    cellTables = tables;
    drawCell();
  } catch (error) {
    if (error.status !== 404 && error.status !== 422) say(error.message);
  }
}

function drawCell() {
  const around = past.around(cells.tier);
  if (around) return cellChart.set(around[0] / 1e3, around[1] / 1e3, cellTables);
  const first = Math.min(...cellTables.map(([times]) => times[0] ?? nowS() - 600));
  cellChart.set(Math.max(first, nowS() - 3600), nowS(), cellTables);
}

function select(index) {
  selected = index;
  paint();
  loadCell();
}

// Peers: the same quantities of every rack of the container, on one scale.
const spreadT = (r) => difference(value(`${r}:cell_temperature_max_c`), value(`${r}:cell_temperature_min_c`));
const spreadV = (r) => difference(value(`${r}:cell_voltage_max_v`), value(`${r}:cell_voltage_min_v`), 1000);
const difference = (a, b, scale = 1) => (a == null || b == null ? null : (a - b) * scale);

function middleHalf(values) {
  const sorted = values.filter((v) => v != null).sort((a, b) => a - b);
  return sorted.length < 4 ? undefined : [sorted[Math.floor(sorted.length / 4)], sorted[Math.ceil((sorted.length * 3) / 4) - 1]];
}

function peers() {
  const kinds = { t: { of: spreadT, digits: 1, least: 4 }, v: { of: spreadV, digits: 0, least: 20 } };
  for (const [key, { of, digits, least }] of Object.entries(kinds)) {
    const values = facts.racks.map(of);
    const high = Math.max(least, ...values.filter((v) => v != null)) * 1.1;
    const band = middleHalf(values);
    facts.racks.forEach((r, i) => {
      const row = one(`[data-peer="${r}"]`);
      write(one(`[data-spread="${key}"]`, row), number(values[i], digits));
      drawBar(one(`[data-peer-bar="${key}"]`, row), { value: values[i], low: 0, high, band });
      one(`[data-spread="${key}"]`, row).closest("td").classList.toggle("stale", isStale(r));
      one(`[data-peer-bar="${key}"]`, row).closest("td").classList.toggle("stale", isStale(r));
    });
  }
}

function others() {
  const rest = facts.racks.filter((r) => r !== rack);
  const range = (values, form) => {
    const known = values.filter((v) => v != null);
    return known.length ? `${form(Math.min(...known))}–${form(Math.max(...known))}` : NO_VALUE;
  };
  const tiles = all(".kpi");
  write(one(".v span", tiles[0]), number(spreadT(rack), 1));
  write(one(".v span", tiles[2]), number(spreadV(rack), 0));
  for (const i of [0, 2]) one(".v", tiles[i]).classList.toggle("stale", isStale(rack));
  const forms = {
    spread_t: [spreadT, (v) => number(v, 1)],
    spread_v: [spreadV, (v) => number(v, 0)],
    soc: [(r) => value(`${r}:soc`), FORMS.percent],
    soh: [(r) => value(`${r}:soh`), FORMS.percent],
  };
  for (const node of all("[data-others]")) {
    const [of, form] = forms[node.dataset.others];
    write(node, range(rest.map(of), form));
  }
}

// Trends of the rack over a chosen range.
const TRENDS = [
  { id: "trend-voltage", least: 0.05, digits: 3, ticks: (v) => number(v, 2), parts: [["cell_voltage_max_v", t("highest"), "sched", "--c-sched"], ["cell_voltage_mean_v", t("mean"), "act", "--c-act"], ["cell_voltage_min_v", t("lowest"), "alt", "--c-alt"]] },
  { id: "trend-temperature", least: 4, digits: 1, ticks: (v) => number(v, 1), parts: [["cell_temperature_max_c", t("highest"), "sched", "--c-sched"], ["cell_temperature_mean_c", t("mean"), "act", "--c-act"], ["cell_temperature_min_c", t("lowest"), "alt", "--c-alt"]] },
  { id: "trend-current", least: 50, digits: 1, ticks: (v) => number(v, 0), parts: [["current_a", t("measured"), "act", "--c-act"]] },
  { id: "trend-soc", least: 5, digits: 1, scale: 100, ticks: (v) => number(v, 0), parts: [["soc", "SOC", "soc", "--c-soc"]] },
];
const YOUNG_S = 1800;
let minutes = 60;
let chosen = false;
for (const trend of TRENDS) {
  trend.tables = trend.parts.map(() => [[], []]);
  trend.chart = new Chart(trend.id, {
    zone: facts.zone, ticks: trend.ticks, y: () => span5(trend.tables, trend.least),
    series: trend.parts.map(([, label, name, colour]) => ({ label, name, colour, digits: trend.digits })),
  });
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
  for (const trend of TRENDS) trend.chart.set(nowS() - minutes * 60, nowS(), trend.tables);
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

function grow(image) {
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

one("#quantity").addEventListener("click", (event) => {
  const button = event.target.closest("[data-quantity]");
  if (!button) return;
  quantity = button.dataset.quantity;
  press(one("#quantity"), button);
  paint();
});
one("#scale").addEventListener("click", (event) => {
  const button = event.target.closest("[data-scale]");
  if (!button) return;
  mode = button.dataset.scale;
  press(one("#scale"), button);
  paint();
});
one("#range").addEventListener("click", (event) => {
  const button = event.target.closest("[data-range]");
  if (!button) return;
  chosen = true;
  minutes = Number(button.dataset.range);
  press(one("#range"), button);
  loadTrends();
});
for (const button of all("[data-go]")) {
  button.addEventListener("click", () => {
    const list = [...found[quantity]];
    const next = list.find((i) => i > (selected ?? -1)) ?? list[0];
    const to = { warmest: warmest(), lowest: lowest(), outlier: next }[button.dataset.go];
    if (to == null) return say(t("No outlier: all cells are within 4 robust deviations."));
    select(to);
    say(view().say(to));
  });
}

onImage((image) => { peers(); others(); grow(image); });
start();
renew();
loadTrends();
setInterval(loadTrends, TREND_EVERY_MS);
setInterval(() => { if (past.at == null) loadCell(); }, TREND_EVERY_MS);
