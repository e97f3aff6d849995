// What is known of every cell of a rack: measured by the BMS, or estimated by the station with the
// half of its interval. Values are kept in the unit in which they are shown.
import { number } from "./format.js";
import { t } from "./words.js";

// `accuracy`: a spread below it is no difference between cells. `half`: least half width of a scale.
// `bounds`: a scale that is the same for every rack. `rack`: the same quantity of the rack as a whole.
export const QUANTITIES = {
  temperature: { signal: "cell_temperature_c", rack: "cell_temperature_mean_c", label: t("Temperature"), unit: "°C", difference: "K", scale: 1, digits: 1, accuracy: 0.25, half: 2 },
  voltage: { signal: "cell_voltage_v", rack: "cell_voltage_mean_v", label: t("Voltage"), unit: "mV", difference: "mV", scale: 1000, digits: 0, accuracy: 2.5, half: 5 },
  soc: { signal: "cell_soc", width: "cell_soc_half_width", rack: "soc_estimate", label: "SOC", unit: "%", difference: "%", scale: 100, digits: 1, accuracy: 0.3, half: 1 },
  soh: { signal: "cell_soh", width: "cell_soh_half_width", rack: "soh_estimate", label: "SOH", unit: "%", difference: "%", scale: 100, digits: 1, accuracy: 0.2, half: 1 },
  resistance: { signal: "cell_resistance_ratio", width: "cell_resistance_half_width", rack: "resistance_ratio", label: t("Resistance"), unit: "%", difference: "%", scale: 100, digits: 1, accuracy: 0.5, half: 2 },
  anomaly: { signal: "cell_anomaly_score", label: t("Anomaly"), unit: "", difference: "", scale: 1, digits: 2, accuracy: 0.05, half: 0.5, bounds: [0, 1] },
};
/** Efficiencies have no map of their own: they are known only of cells that work. */
export const EFFICIENCIES = {
  charge: { signal: "cell_ece_charge", width: "cell_ece_half_width", scale: 100, digits: 1, unit: "%" },
  discharge: { signal: "cell_ece_discharge", width: "cell_ece_half_width", scale: 100, digits: 1, unit: "%" },
};
const MEASURED = new Set(["temperature", "voltage"]);

export const isEstimate = (quantity) => !MEASURED.has(quantity);

/** A value with its half width and its unit: "44.3 ±1.1 %"; without a half width the value alone. */
export function figure(value, half, { digits, unit }) {
  const wide = half == null ? "" : ` ±${number(half, digits)}`;
  return `${number(value, digits)}${value == null ? "" : wide}${unit && value != null ? ` ${unit}` : ""}`;
}

/** Ends of a scale of values: what nine of ten do, so that one outlier does not flatten all others. */
export function ramp(values, { half, bounds }) {
  if (bounds) return { low: bounds[0], high: bounds[1] };
  const sorted = values.filter((v) => v != null).sort((a, b) => a - b);
  const low = sorted[Math.floor(sorted.length * 0.05)] ?? 0;
  const high = sorted[Math.ceil(sorted.length * 0.95) - 1] ?? 1;
  const stretch = Math.max(high - low, half);
  const middle = (low + high) / 2;
  return { low: middle - stretch / 2, high: middle + stretch / 2 };
}

/** All cells of one rack, as two answers have told them. */
export class Cells {
  constructor(count) {
    this.count = count;
    this.values = {};
    this.widths = {};
    this.forget("measured");
    this.forget("estimated");
  }

  /** Nothing is known of this kind. */
  forget(kind) {
    this[kind] = { at_ms: null, stale: true, tier: null };
    for (const [name, one] of this.#of(kind)) this.#put(name, one, {});
  }

  /** Take the answer of GET .../cells/{device}. */
  measure(answer) {
    this.#take("measured", answer, { cell_temperature_c: answer.temperature_c, cell_voltage_v: answer.voltage_v });
  }

  /** Take the answer of GET .../cells/{device}/estimates. */
  estimate(answer) {
    this.#take("estimated", answer, answer.values);
  }

  /** Time, staleness and tier of what a quantity was taken from. */
  source(quantity) {
    return isEstimate(quantity) ? this.estimated : this.measured;
  }

  #of(kind) {
    const all = [...Object.entries(QUANTITIES), ...Object.entries(EFFICIENCIES)];
    return all.filter(([name]) => isEstimate(name) === (kind === "estimated"));
  }

  #take(kind, { at_ms, stale, tier }, columns) {
    this[kind] = { at_ms, stale, tier };
    for (const [name, one] of this.#of(kind)) this.#put(name, one, columns);
  }

  #put(name, { signal, width, scale }, columns) {
    const scaled = (list) => list?.map((v) => (v == null ? null : v * scale)) ?? new Array(this.count).fill(null);
    this.values[name] = scaled(columns[signal]);
    this.widths[name] = scaled(columns[width]);
  }
}
