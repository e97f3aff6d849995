// What the station estimates of a device (a rack, or all of them), beside what its BMS says: SOC with
// its interval, the state of the estimator, any anomaly.
import { drawBar } from "./bars.js";
import { figure } from "./cell_quantities.js";
import { all, one, write } from "./dom.js";
import { NO_VALUE, number } from "./format.js";
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
  return { index: cell >= 1 ? cell - 1 : null, level, kind, words: t("{kind}, {level}", { kind, level: words("anomaly_level", level) }) };
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

/** Fill what the panels of a rack and of the station have in common. */
export function showCommon(panel, device) {
  const stale = isStale(device, "soc_estimate");
  for (const node of all("[data-interval]", panel)) {
    write(node, interval(device, ...node.dataset.interval.split(" ")));
    node.closest("dd").classList.toggle("stale", stale);
  }
  showApart(one("[data-apart]", panel), device);
  const state = one("[data-estimator]", panel);
  write(state, stale ? t("no fresh estimate") : stateWords(device));
  state.classList.toggle("stale", stale);
  bar(device, one("#soc-interval", panel));
  return stale;
}

function bar(device, host) {
  const [estimate, half, bms] = ["soc_estimate", "soc_half_width", "soc"].map((signal) => value(`${device}:${signal}`));
  const band = estimate == null || half == null ? undefined : [estimate - half, estimate + half];
  drawBar(host, { value: estimate, low: 0, high: 1, band, setpoint: bms, limits: [facts.soc_min, facts.soc_max] });
}
