// The rack page: which cell differs from its neighbours, which rack from its peers.
import { ask, cloudNow } from "./console.js";
import { drawBar } from "./bars.js";
import { Cells, EFFICIENCIES, QUANTITIES, figure, isEstimate, ramp } from "./cell_quantities.js";
import { CellsAt } from "./cells_at.js";
import { Chart } from "./chart.js";
import { all, one, press, say, write } from "./dom.js";
import { anomalyOf } from "./estimate.js";
import { FORMS, NO_VALUE, number, span, tag } from "./format.js";
import { HeatMap, OUTLIER, cellName, drawRamp, robust, shape } from "./heatmap.js";
import { facts, isStale, onImage, start, value } from "./live.js";
import { showEstimate } from "./rack_estimate.js";
import { grow, showTrends, span5 } from "./rack_trends.js";
import { series } from "./series.js";
import { t } from "./words.js";

const { rack } = facts;
const CELLS_EVERY_MS = 1_000;
const ESTIMATES_EVERY_MS = 5_000;
const TREND_EVERY_MS = 60_000;

const cells = new Cells(facts.cells);
const asked = new URLSearchParams(location.search);
let quantity = Object.hasOwn(QUANTITIES, asked.get("show") ?? "") ? asked.get("show") : "temperature";
let mode = "value";
let selected = cellAsked();
let found = Object.fromEntries(Object.keys(QUANTITIES).map((name) => [name, new Set()]));

const { rows, columns } = shape(facts.cells);
write(one("[data-shape]"), `${rows} × ${columns} = ${facts.cells}`);

// A link may name the cell to be shown, as the BMS counts.
function cellAsked() {
  const number_ = Number(asked.get("cell") ?? NaN);
  return Number.isInteger(number_) && number_ >= 1 && number_ <= facts.cells ? number_ - 1 : null;
}

function statistics(name) {
  return robust(cells.values[name], QUANTITIES[name].accuracy);
}

function view() {
  const values = cells.values[quantity];
  const { centre, sigma } = statistics(quantity);
  const anomaly = past.at == null ? anomalyOf(rack) : null;
  return {
    values, mode, centre, selected: selected ?? 0, stale: cells.source(quantity).stale, outliers: found[quantity],
    ...ramp(values, QUANTITIES[quantity]), half: Math.max(QUANTITIES[quantity].half, (sigma ?? 0) * OUTLIER),
    named: anomaly?.index == null ? [] : [{ index: anomaly.index, name: cellName(anomaly.index, columns) }], say: tell,
  };
}

// What the map says of a cell: value with its half width, deviation, age, and what is odd about it.
function tell(i) {
  const of = QUANTITIES[quantity];
  const v = cells.values[quantity][i];
  const source = cells.source(quantity);
  const parts = [`${t("Cell")} ${cellName(i, columns)}`];
  if (v == null) parts.push(source.at_ms == null ? t("no data yet") : t("no fresh value"));
  else {
    parts.push(figure(v, cells.widths[quantity][i], of), `${number(v - statistics(quantity).centre, of.digits, true)} ${of.difference} ${t("from the rack's median")}`.replace("  ", " "));
    if (source.at_ms != null) parts.push(source.stale ? t("stale, {age} old", { age: ageOf(source) }) : ageOf(source));
  }
  const anomaly = past.at == null ? anomalyOf(rack) : null;
  if (anomaly?.index === i) parts.push(anomaly.words);
  return parts.join(" · ");
}

const ageOf = ({ at_ms }) => span((cloudNow() - at_ms) / 1e3);

const map = new HeatMap(one("#heat"), view, (index) => { select(index); say(tell(index)); });

function paint() {
  map.draw();
  const { unit, difference, digits } = QUANTITIES[quantity];
  const [low, high] = drawRamp(one("#ramp"), map, view(), mode === "deviation" ? difference : unit, digits);
  write(one("[data-ramp-low]"), low);
  write(one("[data-ramp-high]"), high);
  for (const node of all("[data-of-quantity]")) node.hidden = !node.dataset.ofQuantity.split(" ").includes(quantity);
  showCell();
}

function outliers(name) {
  const { centre, sigma } = statistics(name);
  return new Set(cells.values[name].flatMap((v, i) => (v != null && sigma && Math.abs(v - centre) > OUTLIER * sigma ? [i] : [])));
}

const nowS = () => cloudNow() / 1e3;
const past = new CellsAt(facts.zone, () => { renew(); renewEstimates(); });
const turns = { measured: 0, estimated: 0 };

// Live cells are asked for again and again; those of a past time once.
async function renew() {
  const before = cells.measured.tier;
  await take("measured", "", CELLS_EVERY_MS, (answer) => {
    cells.measure(answer);
    past.tell(answer);
    if (selected == null) select(firstToShow());
    else if (past.at != null || before !== answer.tier) select(selected);
  });
}

const renewEstimates = () => take("estimated", "/estimates", ESTIMATES_EVERY_MS, (answer) => cells.estimate(answer));

async function take(kind, path, everyMs, keep) {
  const mine = ++turns[kind];
  const at = past.at == null ? "" : `?at=${past.at}`;
  try {
    const answer = await ask(`/api/v1/stations/${facts.station}/cells/${rack}${path}${at}`);
    if (mine !== turns[kind]) return;
    keep(answer);
    for (const name of Object.keys(QUANTITIES)) if (isEstimate(name) === (kind === "estimated")) found[name] = outliers(name);
  } catch (error) {
    if (mine !== turns[kind]) return;
    cells[kind].stale = true;
    if (error.status === 404) { cells.forget(kind); if (kind === "measured") past.tell(null); }
    else if (error.status) write(one("[data-cells-age]"), error.message);
  }
  if (mine !== turns[kind]) return;
  paint();
  if (past.at == null) setTimeout(() => { if (mine === turns[kind]) take(kind, path, everyMs, keep); }, everyMs);
}

// What a person would look for: the cell with an anomaly, the worst outlier, else the warmest cell.
function firstToShow() {
  const odd = past.at == null ? anomalyOf(rack)?.index : null;
  if (odd != null) return odd;
  const { centre } = statistics("temperature");
  const far = [...found.temperature].sort((a, b) => Math.abs(cells.values.temperature[b] - centre) - Math.abs(cells.values.temperature[a] - centre));
  return far[0] ?? [...found.voltage][0] ?? warmest();
}

const extremeOf = (values, better) => values.reduce((best, v, i) => (v != null && (best < 0 || better(v, values[best])) ? i : best), -1);
const warmest = () => Math.max(0, extremeOf(cells.values.temperature, (a, b) => a > b));
const lowest = () => Math.max(0, extremeOf(cells.values.voltage, (a, b) => a < b));

const FOUND = {
  temperature: t("temperature outlier"), voltage: t("voltage outlier"), soc: t("SOC outlier"),
  soh: t("SOH outlier"), resistance: t("resistance outlier"), anomaly: t("anomaly score outlier"),
};

function showCell() {
  const i = selected ?? 0;
  write(one("[data-cell-name]"), `${tag(rack)}.${cellName(i, columns)}`);
  for (const [name, of] of Object.entries(QUANTITIES)) {
    const v = cells.values[name][i];
    const place = one(`[data-cell="${name}"]`);
    write(place, v == null ? NO_VALUE : figure(v, cells.widths[name][i], of));
    place.closest("dd").classList.toggle("stale", v == null || cells.source(name).stale);
    write(one(`[data-cell="${name}-deviation"]`), v == null ? "" : `${number(v - statistics(name).centre, of.digits, true)} ${of.difference}`);
  }
  const ece = Object.entries(EFFICIENCIES).map(([name, of]) => figure(cells.values[name][i], cells.widths[name][i], { ...of, unit: "" }));
  write(one('[data-cell="ece"]'), ece.every((one_) => one_ === NO_VALUE) ? NO_VALUE : `${ece.join(" / ")} %`);
  one('[data-cell="ece"]').closest("dd").classList.toggle("stale", cells.estimated.stale);
  const v = cells.values.temperature[i];
  const warmer = cells.values.temperature.filter((other) => other != null && other > v).length;
  write(one('[data-cell="rank"]'), v == null ? NO_VALUE : `${warmer + 1} / ${facts.cells}`);
  const anomaly = past.at == null ? anomalyOf(rack) : null;
  const odd = [anomaly?.index === i && anomaly.words, ...Object.entries(FOUND).map(([name, words_]) => found[name].has(i) && words_)].filter(Boolean);
  write(one('[data-cell="finding"]'), odd.join(", ") || t("like its neighbours"));
  one("#cell-history").href = cellHistory(i);
  showAge();
}

// The map says how old it is; a quantity of which nothing has come says so.
function showAge() {
  const source = cells.source(quantity);
  const none = isEstimate(quantity) && !facts.estimated.includes(rack) ? t("this station does not estimate its cells yet") : t("no data yet");
  const old = past.at == null && source.stale && source.at_ms != null;
  write(one("[data-cells-age]"), source.at_ms == null ? none : old ? t("stale, {age} old", { age: ageOf(source) }) : t("{age} ago", { age: ageOf(source) }));
  one("[data-cells-age]").classList.toggle("stale", source.stale);
}

// The history page with this cell: the last 24 h, or the hours around the map.
function cellHistory(i) {
  const shown = isEstimate(quantity) ? [QUANTITIES[quantity].signal, "cell_voltage_v"] : ["cell_temperature_c", "cell_voltage_v"];
  const query = new URLSearchParams(shown.map((name) => ["signal", `${rack}:${name}:${i + 1}`]));
  const around = past.around(cells.measured.tier);
  if (around) { query.set("from", around[0]); query.set("to", around[1]); } else query.set("range", "day");
  return `/stations/${facts.station}/history?${query.toString().replaceAll("%3A", ":")}`;
}

const EMPTY = [[], []];
let cellTables = [EMPTY, EMPTY, EMPTY, EMPTY];
let ofChart = QUANTITIES.temperature;
const cellChart = new Chart("cell-chart", {
  zone: facts.zone,
  now: () => (past.at == null ? nowS() : past.at / 1e3),
  y: () => span5(cellTables, ofChart.half * 1.5),
  ticks: (v) => number(v, ofChart.digits),
  series: [
    { label: t("rack"), name: "sched", colour: "--c-sched", digits: () => ofChart.digits },
    { label: t("cell"), name: "act", colour: "--c-act", width: 1.75, digits: () => ofChart.digits },
    { label: "", name: "", colour: "--c-act", width: 0 },
    { label: "", name: "", colour: "--c-act", width: 0 },
  ],
  bands: [{ edges: [3, 2], colour: "--c-act" }],
});

let loads = 0;
async function loadCell() {
  const mine = ++loads;
  const of = QUANTITIES[quantity];
  const [from, to, resolution] = past.around(cells.source(quantity).tier) ?? [cloudNow() - 60 * 60_000, cloudNow() + 1000, "raw"];
  if (isEstimate(quantity) && !facts.estimated.includes(rack)) return;
  const cell = (signal) => `${rack}:${signal}:${(selected ?? 0) + 1}`;
  const signals = [cell(of.signal), of.rack && `${rack}:${of.rack}`, of.width && cell(of.width)];
  try {
    const tables = await series(facts.station, signals.filter(Boolean), from, to, resolution);
    if (mine !== loads) return;
    const [own, whole, half] = signals.map((signal) => (signal ? scaled(tables.shift(), of.scale) : EMPTY));
    ofChart = of;
    cellTables = [whole, own, edge(own, half, -1), edge(own, half, 1)];
    write(one("[data-cell-chart-of]"), of.unit ? `${of.label}, ${of.unit}` : of.label);
    drawCell();
  } catch (error) {
    if (error.status !== 404 && error.status !== 422) say(error.message);
  }
}

const scaled = ([times, values], by) => [times, values.map((v) => (v == null ? null : v * by))];
const edge = ([times, values], [, halves], sign) => [times, values.map((v, i) => (v == null || halves[i] == null ? null : v + sign * halves[i]))];

function drawCell() {
  const around = past.around(cells.source(quantity).tier);
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
  for (const place of all("[data-peer-finding]")) write(place, anomalyOf(place.closest("[data-peer]").dataset.peer)?.kind ?? NO_VALUE);
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

/** Show a quantity on the map. */
function show(name) {
  quantity = name;
  press(one("#quantity"), one(`#quantity [data-quantity="${name}"]`));
  if (selected != null) loadCell();
  paint();
}

// A figure of the rack leads to its cell: the map shows the quantity and selects the cell.
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-to-cell]");
  const index = Number(link?.dataset.toCell || NaN) - 1;
  if (!(index >= 0 && index < facts.cells)) return;
  select(index);
  show(link.dataset.show);
  one("#heat").focus();
  say(tell(index));
});

one("#quantity").addEventListener("click", (event) => {
  const button = event.target.closest("[data-quantity]");
  if (!button) return;
  show(button.dataset.quantity);
});
one("#scale").addEventListener("click", (event) => {
  const button = event.target.closest("[data-scale]");
  if (!button) return;
  mode = button.dataset.scale;
  press(one("#scale"), button);
  paint();
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

onImage((image) => { peers(); others(); showEstimate(rack, columns); showAge(); grow(image); });
show(quantity);
start();
renew();
renewEstimates();
showTrends();
setInterval(() => { if (past.at == null) loadCell(); }, TREND_EVERY_MS);
