// The estimate of the whole station: what can be dispatched, what binds and where, which models run.
import { one, write } from "./dom.js";
import { anomalyOf, showCommon } from "./estimate.js";
import { NO_VALUE, number, tag } from "./format.js";
import { cellName, shape } from "./heatmap.js";
import { facts, isStale, rackOf, value, words } from "./live.js";
import { sentences, t } from "./words.js";

const { controller } = facts;
const racks = facts.containers.flatMap((container) => container.racks);
const point = (signal) => value(`${controller}:${signal}`);
// Numbers of the state words of contract/states.py, and what the map of a rack shows of each.
const BOUND = { EMPTY_CELL: 1, FULL_CELL: 2, VOLTAGE: 3, TEMPERATURE: 5, CONVERTER: 6, PROTECTION: 8 };
const OF_CELLS = { [BOUND.EMPTY_CELL]: "soc", [BOUND.FULL_CELL]: "soc", [BOUND.VOLTAGE]: "voltage", [BOUND.TEMPERATURE]: "temperature" };
const SHADOW_NONE = 0;

/** Fill both panels. */
export function showStationEstimate() {
  const panel = one("#estimate");
  if (!panel) return;
  showCommon(panel, controller);
  const confidence = point("dispatchable_confidence");
  write(one("[data-confidence]"), confidence == null ? "" : t("at {share} % confidence", { share: number(confidence * 100, 0) }));
  for (const way of ["discharge", "charge"]) bound(way, one(`[data-bound="${way}"]`));
  anomalies(one("[data-anomalies]", panel));
  shadow(one("[data-shadow]", panel));
}

function bound(way, box) {
  const by = point(`${way}_bound_by`);
  const stale = isStale(controller, `${way}_bound_by`);
  write(one("[data-bound-by]", box), words(`${way}_bound_by`, by));
  box.classList.toggle("stale", stale);
  const rack = stale ? null : rackOf(point(`${way}_bound_rack`));
  const cell = rack && by in OF_CELLS ? value(`${rack}:${way}_bound_cell`) : null;
  const link = one("[data-bound-link]", box);
  link.hidden = !rack;
  const words_ = rack ? where(way, rack, cell) : "";
  write(one("[data-bound-where]", box), sentences(words_, elsewhere(by)));
  if (!rack) return;
  const query = cell >= 1 ? `?show=${OF_CELLS[by]}&cell=${cell}` : "";
  link.href = `/stations/${facts.station}/racks/${rack}${query}`;
}

function where(way, rack, cell) {
  const left = number(value(`${rack}:${way}_energy_1h_kwh`), 0);
  const cells = facts.cells[rack];
  if (!(cell >= 1) || !cells) return t("First {rack}: {left} kWh in an hour.", { rack: tag(rack), left });
  return t("First {rack}, cell {cell}: the rack has {left} kWh in an hour.", { rack: tag(rack), cell: cellName(cell - 1, shape(cells).columns), left });
}

function elsewhere(by) {
  if (by === BOUND.CONVERTER) return t("There is more energy than the converters can move in this time.");
  if (by === BOUND.PROTECTION) return t("Protection allows no more: see the limits in force.");
  return "";
}

function anomalies(place) {
  const found = racks.filter((rack) => anomalyOf(rack));
  const stale = racks.filter((rack) => facts.estimated.includes(rack) && isStale(rack, "anomaly_level")).length;
  if (place.dataset.shown !== found.join()) {
    place.replaceChildren(...(found.length ? found.map((rack) => Object.assign(document.createElement("a"), { className: "link", href: `/stations/${facts.station}/racks/${rack}?show=anomaly` })) : [document.createElement("span")]));
    place.dataset.shown = found.join();
  }
  found.forEach((rack, i) => write(place.children[i], t("{where}: {what}", { where: tag(rack), what: anomalyOf(rack).words })));
  if (!found.length) write(place.firstChild, stale ? t("none in {n} of {m} racks", { n: racks.length - stale, m: racks.length }) : t("none"));
}

function shadow(place) {
  const [version, state] = [point("shadow_version"), point("model_state")];
  const none = state == null || state === SHADOW_NONE || !version;
  const ratio = number(point("shadow_innovation_ratio"), 2);
  write(place, state == null ? NO_VALUE : none ? t("none") : t("{version}, {state}, innovation {ratio}", { version: number(version, 0), state: words("model_state", state), ratio }));
}
