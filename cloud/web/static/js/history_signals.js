// The signals of a station: what can be searched, and what is known of one that is named.
import { isChinese, tag } from "./format.js";

// Catalogued as shares of one, shown in percent.
const SHARES = new Set(["soc", "soh"]);
const DIGITS = { "%": 1, kW: 1, kvar: 1, kVA: 1, kWh: 1, V: 1, A: 1, "°C": 1, Hz: 2, ms: 1, ppm: 0, "kΩ": 0, "l/min": 1, kPa: 1 };
const SAMPLED = new Set(["analog", "counter"]);
// Powers whose sign is not discharge and charge.
const NO_FLOW = /_limit_kw$|^auxiliary_/;

/**
 * How a quantity is drawn.
 * @returns {{axis: string, unit: string, scale: number, digits: number, stepped: boolean}}
 *   signals with the same `axis` share one; `stepped` values hold until the next sample
 */
function look({ signal, unit, kind }) {
  const stepped = kind !== "analog";
  if (SHARES.has(signal)) return { axis: "%", unit: "%", scale: 100, digits: 1, stepped };
  if (!SAMPLED.has(kind)) return { axis: `:${signal}`, unit: "", scale: 1, digits: 0, stepped };
  if (signal.startsWith("cell_voltage")) return { axis: "V:cell", unit, scale: 1, digits: 3, stepped };
  if (!unit) return { axis: `:${signal}`, unit, scale: 1, digits: signal === "power_factor" ? 3 : 1, stepped };
  return { axis: unit, unit, scale: 1, digits: DIGITS[unit] ?? 2, stepped };
}

export class Signals {
  /** @param answer of GET /api/v1/stations/{id}/signals; @param first devices to be listed first */
  constructor(answer, first) {
    this.firstMs = answer.first_ms;
    const layouts = new Map(answer.layouts.map(({ layout, signals }) => [layout, signals]));
    const place = ({ device }) => (first.indexOf(device) + 1 || first.length + 1);
    const devices = [...answer.devices].sort((a, b) => place(a) - place(b));
    const entries = devices.flatMap(({ device, layouts: names }) => names.flatMap((name) => layouts.get(name).map((one) => this.#entry(device, one))));
    // Layouts of a device that succeed one another share signals: each is listed once.
    this.byName = new Map(entries.map((one) => [one.name, one]));
    this.all = [...this.byName.values()];
  }

  #entry(device, one) {
    const label = isChinese ? one.label_zh : one.label_en;
    return {
      ...one, ...look(one), device, label, name: `${device}:${one.signal}`,
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
