// The signals of a station: what can be searched, and what is known of one that is named.
import { isChinese, tag } from "./format.js";

// Catalogued as shares of one, shown in percent.
const SHARES = /^(cell_)?(soc|soh|ece)(_|$)|^system_efficiency$|^dispatchable_confidence$|^estimator_core_share$/;
// Ratios to a new cell, shown in percent on an axis of their own.
const RATIOS = /(^|_)resistance_(ratio|cell_max|half_width)$/;
const INDEX = "index";
// What a BMS tells, and what is estimated of the same.
const COUNTERPARTS = [["soc", "soc_estimate"], ["soh", "soh_estimate"]];
const DIGITS = { "%": 1, kW: 1, kvar: 1, kVA: 1, kWh: 1, V: 1, A: 1, "°C": 1, Hz: 2, ms: 1, ppm: 0, "kΩ": 0, "l/min": 1, kPa: 1 };
const DIGITS_OF = { power_factor: 3, anomaly_score: 2, cell_anomaly_score: 2, innovation_ratio: 2, shadow_innovation_ratio: 2, model_version: 0, shadow_version: 0, cells_searching: 0, cells_estimated: 0 };
const SAMPLED = new Set(["analog", "counter"]);
// Powers whose sign is not discharge and charge.
const NO_FLOW = /_limit_kw$|^auxiliary_|^(dis)?charge_power_/;

/**
 * How a quantity is drawn.
 * @returns {{axis: string, unit: string, scale: number, digits: number, stepped: boolean}}
 *   signals with the same `axis` share one; `stepped` values hold until the next sample
 */
function look({ signal, unit, kind }) {
  const stepped = kind !== "analog";
  const width = signal.endsWith("_half_width") ? "±" : "";
  if (kind !== INDEX && SHARES.test(signal)) return { axis: `%${width}`, unit: `${width && "± "}%`, scale: 100, digits: 1, stepped };
  if (kind !== INDEX && RATIOS.test(signal)) return { axis: `%new${width}`, unit: `${width && "± "}%`, scale: 100, digits: 1, stepped };
  if (!SAMPLED.has(kind)) return { axis: `:${signal}`, unit: "", scale: 1, digits: 0, stepped };
  if (signal.startsWith("cell_voltage")) return { axis: "V:cell", unit, scale: 1, digits: 3, stepped };
  if (!unit) return { axis: `:${signal}`, unit, scale: 1, digits: DIGITS_OF[signal] ?? 1, stepped };
  return { axis: unit, unit, scale: 1, digits: DIGITS[unit] ?? 2, stepped };
}

export class Signals {
  /** @param answer of GET /api/v1/stations/{id}/signals; @param first devices to be listed first */
  constructor(answer, first) {
    this.firstMs = answer.first_ms;
    const layouts = new Map(answer.layouts.map(({ layout, signals }) => [layout, signals]));
    const place = ({ device }) => (first.indexOf(device) + 1 || first.length + 1);
    const devices = [...answer.devices].sort((a, b) => place(a) - place(b));
    const entries = devices.flatMap(({ device, layouts: names }) => names.flatMap((name) => layouts.get(name).map((one) => this.#entry(device, one, name))));
    // Layouts of a device that succeed one another share signals: each is listed once.
    this.byName = new Map(entries.map((one) => [one.name, one]));
    this.all = [...this.byName.values()];
  }

  #entry(device, one, layout) {
    const label = isChinese ? one.label_zh : one.label_en;
    return {
      ...one, ...look(one), device, label, estimate: /^estimate\b/.test(layout), name: `${device}:${one.signal}`,
      text: `${device} ${one.signal} ${one.label_en} ${one.label_zh}`.toLowerCase(),
      flows: one.unit === "kW" && one.cells === 1 && !NO_FLOW.test(one.signal),
      words: new Map(one.states.map(({ value, en, zh }) => [value, isChinese ? zh : en])),
    };
  }

  /** What is known of "DEVICE:signal" or "DEVICE:signal:cell", or null. */
  find(ref) {
    const [device, signal, cell] = ref.split(":");
    const found = this.byName.get(`${device}:${signal}`);
    if (!found || (cell === undefined) !== (found.cells === 1) || Number(cell ?? 1) > found.cells) return null;
    return { ...found, ref, cell: cell ? Number(cell) : null };
  }

  /** The signal that is half of the interval around `ref`, in the same form, or null. */
  widthOf(ref) {
    const found = this.find(ref);
    const width = found?.half_width && `${found.device}:${found.half_width}${found.cell ? `:${found.cell}` : ""}`;
    return width && this.find(width) ? width : null;
  }

  /** What the BMS says of what `ref` estimates, or the estimate of what the BMS says, or null. */
  counterpart(ref) {
    const found = this.find(ref);
    const pair = found && COUNTERPARTS.find((both) => both.includes(found.signal));
    const other = pair && `${found.device}:${pair.find((name) => name !== found.signal)}`;
    return other && this.find(other) ? other : null;
  }

  /**
   * Signals that hold every word of `text` in tag, name or label, in either language.
   * A number that names a cell is taken as such.
   * @returns {{entry: object, cell: ?number}[]}
   */
  search(text) {
    const asked = text.toLowerCase().replaceAll("\u2011", "-").split(/[\s:]+/).filter(Boolean);
    return this.all.flatMap((entry) => {
      const rest = asked.filter((word) => !entry.text.includes(word));
      if (!rest.length) return [{ entry, cell: null }];
      const cell = rest.length === 1 && entry.cells > 1 && /^\d+$/.test(rest[0]) ? Number(rest[0]) : 0;
      return cell >= 1 && cell <= entry.cells ? [{ entry, cell }] : [];
    });
  }
}

/** Tag and label of a signal as people read them: "C1-R07 cell voltage 145". */
export const named = ({ device, label, cell }) => `${tag(device)} ${label}${cell ? ` ${cell}` : ""}`;
