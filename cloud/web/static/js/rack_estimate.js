// What the station estimates of a rack, beside what its BMS says: SOC with its interval, SOH,
// resistance, efficiency, the cells at the ends, the state of the estimator, and any anomaly.
import { drawBar } from "./bars.js";
import { figure } from "./cell_quantities.js";
import { one, all, write } from "./dom.js";
import { NO_VALUE, number } from "./format.js";
import { cellName } from "./heatmap.js";
import { facts, isStale, value, words } from "./live.js";
import { t } from "./words.js";

// Numbers of the state words of contract/states.py.
const SEARCHING = 1;
const SHARE = { digits: 1, unit: "%" };

/** "44.3 ±1.1 %" of a share of one and its half width, or an en dash. */
export function interval(device, signal, width) {
  const [v, half] = [value(`${device}:${signal}`), value(`${device}:${width}`)];
  return v == null ? NO_VALUE : figure(v * 100, half == null ? null : half * 100, SHARE);
}

/** The anomaly that the station sees in a rack: {index of the cell or null, level, kind, words}, or null. */
export function anomalyOf(device) {
  const of = (signal) => value(`${device}:${signal}`);
  const level = of("anomaly_level");
  if (!level || isStale(device, "anomaly_level")) return null;
  const cell = of("anomaly_cell_index");
  const kind = words("anomaly_kind", of("anomaly_kind"));
  return { index: cell >= 1 ? cell - 1 : null, level, kind, words: `${kind}, ${words("anomaly_level", level)}` };
}

/** What the BMS says less than what is estimated, in share of one; and whether it is outside the interval. */
export function apart(device) {
  const [bms, estimate, half] = ["soc", "soc_estimate", "soc_half_width"].map((signal) => value(`${device}:${signal}`));
  if (bms == null || estimate == null) return { by: null, outside: false };
  return { by: bms - estimate, outside: half != null && Math.abs(bms - estimate) > half };
}

/** The state of the estimator in words, with how many cells it still searches. */
export function stateWords(device) {
  const state = value(`${device}:estimator_state`);
  const searched = value(`${device}:cells_searching`);
  if (state == null) return NO_VALUE;
  const told = words("estimator_state", state);
  return state === SEARCHING && searched ? t("{state}: {n} cells", { state: told, n: number(searched, 0) }) : told;
}

/** Write the words of the difference between BMS and estimate; bold where the interval does not hold it. */
export function showApart(place, device) {
  const { by, outside } = apart(device);
  write(place, by == null ? "" : `${number(by * 100, 1, true)}\u00a0% · ${outside ? t("outside the interval") : t("inside the interval")}`);
  place.classList.toggle("b", outside);
}

/** Fill the panel of a rack; `columns` is how many cells a pack of the map has. */
export function showEstimate(rack, columns) {
  const panel = one("#estimate");
  if (!panel) return;
  const stale = isStale(rack, "soc_estimate");
  for (const node of all("[data-interval]", panel)) {
    const [signal, width] = node.dataset.interval.split(" ");
    write(node, interval(rack, signal, width));
    node.closest("dd").classList.toggle("stale", stale);
  }
  for (const node of all("[data-interval-of]")) write(node, interval(rack, ...node.dataset.intervalOf.split(" ")));
  showApart(one("[data-apart]", panel), rack);
  write(one("[data-estimator]", panel), stale ? t("no fresh estimate") : stateWords(rack));
  one("[data-estimator]", panel).classList.toggle("stale", stale);
  bar(rack, one("#soc-interval", panel));
  for (const link of all("dd [data-to-cell]", panel)) extreme(rack, link, columns, stale);
  anomaly(rack, one("#anomaly"), columns);
}

function bar(rack, host) {
  const [estimate, half, bms] = ["soc_estimate", "soc_half_width", "soc"].map((signal) => value(`${rack}:${signal}`));
  const band = estimate == null || half == null ? undefined : [estimate - half, estimate + half];
  drawBar(host, { value: estimate, low: 0, high: 1, band, setpoint: bms, limits: [facts.soc_min, facts.soc_max] });
}

function extreme(rack, link, columns, stale) {
  const cell = value(`${rack}:${link.dataset.index}`);
  link.dataset.toCell = cell ?? "";
  link.disabled = !(cell >= 1);
  write(link, cell >= 1 ? t("cell {name}", { name: cellName(cell - 1, columns) }) : NO_VALUE);
  link.closest("dd").classList.toggle("stale", stale);
}

function anomaly(rack, place, columns) {
  const found = anomalyOf(rack);
  place.hidden = !found;
  if (!found) return;
  const where = found.index == null ? t("whole rack") : t("cell {name}", { name: cellName(found.index, columns) });
  const score = value(`${rack}:anomaly_score`);
  write(one("[data-anomaly-title]", place), `${t("Anomaly")}: ${found.words}`);
  write(one("[data-anomaly-text]", place), t("{where}, score {score}.", { where, score: number(score, 2) }));
  const link = one("[data-to-cell]", place);
  link.hidden = found.index == null;
  link.dataset.toCell = found.index == null ? "" : found.index + 1;
}
