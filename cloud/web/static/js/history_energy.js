// Charged and discharged energy of each bucket, with totals, of the powers that are shown.
import { one, write } from "./dom.js";
import { number } from "./format.js";
import { bucketName } from "./history_data.js";
import { named } from "./history_signals.js";
import { t } from "./words.js";

const HOUR_MS = 3_600_000;
const ORDER = ["1min", "15min", "1h", "1d", "1mo"];
// Longest range of each bucket, so that a table stays short enough to be read.
const LONGEST = [["1min", HOUR_MS / 4], ["15min", 6 * HOUR_MS], ["1h", 96 * HOUR_MS], ["1d", 100 * 24 * HOUR_MS], ["1mo", Infinity]];

/** The bucket of the table: never finer than the chart's. */
export function energyResolution(lengthMs, shown) {
  const [fits] = LONGEST.find(([, most]) => lengthMs <= most);
  return ORDER[Math.max(ORDER.indexOf(fits), ORDER.indexOf(shown))];
}

const cell = (text, className = "r") => Object.assign(document.createElement("td"), { textContent: text, className });
const head = (text, className = "r") => Object.assign(document.createElement("th"), { textContent: text, className, scope: "col" });

/**
 * Fill the table.
 * @param {{known: object, series: object}[]} powers in the order chosen, series of the query
 */
export function showEnergy(powers, resolution, zone) {
  const panel = one("#energy");
  const some = powers.some(({ series }) => series.times_ms.length);
  panel.hidden = !powers.length;
  if (!powers.length) return;
  write(one("[data-energy-of]"), { "1min": t("by the minute"), "15min": t("by quarter hours"), "1h": t("by the hour"), "1d": t("by the day"), "1mo": t("by the month") }[resolution]);
  one("#energy-none").hidden = some;
  one("#energy table").hidden = !some;
  if (!some) return;
  const times = [...new Set(powers.flatMap(({ series }) => series.times_ms))].sort((a, b) => a - b);
  const found = powers.map(({ series }) => new Map(series.times_ms.map((at, i) => [at, [series.charged_kwh[i], series.discharged_kwh[i]]])));
  const totals = found.map((of) => [0, 1].map((k) => [...of.values()].reduce((sum, pair) => sum + (pair[k] ?? 0), 0)));
  headings(powers);
  one("#energy tbody").replaceChildren(...times.map((at) => row(bucketName(at, resolution, zone), found.map((of) => of.get(at) ?? [null, null]))));
  one("#energy tfoot").replaceChildren(row(t("Total"), totals, "b"));
}

function headings(powers) {
  const upper = document.createElement("tr");
  const lower = document.createElement("tr");
  upper.append(head("", ""), ...powers.map(({ known }) => Object.assign(head(named(known)), { colSpan: 2 })));
  lower.append(head(t("Bucket"), ""), ...powers.flatMap(() => [head(t("charged, kWh")), head(t("discharged, kWh"))]));
  one("#energy thead").replaceChildren(upper, lower);
}

function row(name, pairs, weight = "") {
  const line = document.createElement("tr");
  line.append(cell(name, `n ${weight}`), ...pairs.flatMap((pair) => pair.map((kwh) => cell(number(kwh, 1), `r ${weight}`))));
  return line;
}
