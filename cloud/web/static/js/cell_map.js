// The cells of all racks of a station on one map: a row is a rack, a click opens it at that cell.
import { ask, cloudNow } from "./console.js";
import { QUANTITIES, figure, ramp } from "./cell_quantities.js";
import { all, one, press, say, write } from "./dom.js";
import { anomalyOf } from "./estimate.js";
import { number, span, tag } from "./format.js";
import { HeatMap, OUTLIER, cellName, drawRamp, median, robust, shape } from "./heatmap.js";
import { facts, onImage, start } from "./live.js";
import { t } from "./words.js";

const EVERY_MS = 10_000;
const ROW_REM = 1.4;
const NAME_REM = 4.5;
const racks = facts.containers.flatMap((container) => container.racks);
const columns = Math.max(1, ...racks.map((rack) => facts.cells[rack] ?? 0));
const shown = new URLSearchParams(location.search).get("show");
const choices = all("#quantity [data-quantity]").map((button) => button.dataset.quantity);

let quantity = choices.includes(shown) ? shown : "soc";
let mode = "value";
let selected = 0;
let turn = 0;
let table = blank();

// Row after row: `undefined` where a rack has no such cell, null where its value is not known.
function blank() {
  const values = racks.flatMap((rack) => Array.from({ length: columns }, (_, i) => (i < (facts.cells[rack] ?? 0) ? null : undefined)));
  return { values, widths: [...values], off: [...values], outliers: new Set(), sources: new Map(), spread: 0 };
}

function take({ racks: answered }) {
  const of = QUANTITIES[quantity];
  table = blank();
  for (const { rack, values, half_widths: widths, ...source } of answered) {
    const row = racks.indexOf(rack);
    if (row < 0) continue;
    table.sources.set(rack, source);
    const scaled = values.map((v) => (v == null ? null : v * of.scale));
    const { centre, sigma } = robust(scaled, of.accuracy);
    scaled.forEach((v, i) => {
      const at = row * columns + i;
      if (table.values[at] === undefined) return;
      table.values[at] = v;
      table.widths[at] = widths[i] == null ? null : widths[i] * of.scale;
      table.off[at] = v == null ? null : v - centre;
      if (v != null && Math.abs(v - centre) > OUTLIER * sigma) table.outliers.add(at);
    });
  }
  table.spread = robust(table.off, of.accuracy).sigma ?? 0;
}

function named() {
  return racks.flatMap((rack, row) => {
    const found = anomalyOf(rack);
    return found?.index == null ? [] : [{ index: row * columns + found.index, name: `${tag(rack)}.${nameOf(rack, found.index)}` }];
  });
}

const nameOf = (rack, index) => cellName(index, shape(facts.cells[rack] ?? 1).columns);

function view() {
  const of = QUANTITIES[quantity];
  const deviates = mode === "deviation";
  return {
    values: deviates ? table.off : table.values, mode, selected, outliers: table.outliers, stale: false,
    staleRow: (row) => table.sources.get(racks[row])?.stale ?? true,
    centre: deviates ? 0 : median(table.values), ...ramp(table.values, of), half: Math.max(of.half, table.spread * OUTLIER),
    named: named(), say: tell, grid: { rows: racks.length, columns, left: rem(NAME_REM), names: racks.map(tag) },
  };
}

const rem = (n) => n * parseFloat(getComputedStyle(document.documentElement).fontSize);

function tell(at) {
  const of = QUANTITIES[quantity];
  const rack = racks[Math.floor(at / columns)];
  const source = table.sources.get(rack);
  const parts = [tag(rack), `${t("Cell")} ${nameOf(rack, at % columns)}`];
  const v = table.values[at];
  if (v == null) parts.push(source ? t("no fresh value") : t("no data yet"));
  else {
    parts.push(figure(v, table.widths[at], of), `${number(table.off[at], of.digits, true)} ${of.difference} ${t("from the rack's median")}`.replace("  ", " "));
    const age = span((cloudNow() - source.at_ms) / 1e3);
    parts.push(source.stale ? t("stale, {age} old", { age }) : age);
  }
  const anomaly = anomalyOf(rack);
  if (anomaly?.index === at % columns) parts.push(anomaly.words);
  return parts.join(" · ");
}

const address = (at) => `/stations/${facts.station}/racks/${racks[Math.floor(at / columns)]}?show=${quantity}&cell=${(at % columns) + 1}`;

function select(at) {
  selected = at;
  write(one("[data-told]"), tell(at));
  const link = one("[data-to-rack]");
  link.hidden = false;
  link.href = address(at);
  map.draw();
}

function paint() {
  map.draw();
  const { unit, difference, digits } = QUANTITIES[quantity];
  const [low, high] = drawRamp(one("#ramp"), map, view(), mode === "deviation" ? difference : unit, digits);
  write(one("[data-ramp-low]"), low);
  write(one("[data-ramp-high]"), high);
  for (const node of all("[data-of-quantity]")) node.hidden = !node.dataset.ofQuantity.split(" ").includes(quantity);
}

async function load() {
  const mine = ++turn;
  try {
    const answer = await ask(`/api/v1/stations/${facts.station}/cell-map?by=${quantity}`);
    if (mine !== turn) return;
    take(answer);
    const missing = answer.racks_without.length;
    write(one("[data-cells-age]"), missing ? t("{n} of {m} racks without estimates", { n: missing, m: racks.length }) : "");
  } catch (error) {
    if (mine !== turn) return;
    for (const source of table.sources.values()) source.stale = true;
    write(one("[data-cells-age]"), t("The cells cannot be loaded: {reason}", { reason: error.message }));
  }
  if (mine !== turn) return;
  paint();
  setTimeout(() => { if (mine === turn) load(); }, EVERY_MS);
}

function show(name) {
  quantity = name;
  table = blank();
  press(one("#quantity"), one(`#quantity [data-quantity="${name}"]`));
  paint();
  load();
}

let map = null;
if (one("#heat")) {
  const host = one("#heat");
  host.style.height = `${racks.length * ROW_REM + 1.2}rem`;
  write(one("[data-shape]"), t("{racks} racks, {cells} cells", { racks: racks.length, cells: number(racks.reduce((sum, rack) => sum + (facts.cells[rack] ?? 0), 0), 0) }));
  map = new HeatMap(host, view, (at) => { location.href = address(at); }, (at) => { select(at); say(tell(at)); });
  host.addEventListener("pointermove", () => { if (map.hover != null) write(one("[data-told]"), tell(map.hover)); });
  host.addEventListener("pointerleave", () => write(one("[data-told]"), tell(selected)));
  one("#quantity").addEventListener("click", (event) => {
    const button = event.target.closest("[data-quantity]");
    if (button) show(button.dataset.quantity);
  });
  one("#scale").addEventListener("click", (event) => {
    const button = event.target.closest("[data-scale]");
    if (!button) return;
    mode = button.dataset.scale;
    press(one("#scale"), button);
    paint();
  });
  onImage(() => map.draw());
  show(quantity);
}
start();
