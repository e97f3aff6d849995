// What the history page shows, as it stands in its address: signals, range, resolution.

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Length of each range that ends now; `all` begins with the first stored sample. */
const PRESETS = { hour: HOUR_MS, day: DAY_MS, week: 7 * DAY_MS, month: 30 * DAY_MS, year: 365 * DAY_MS, all: null };
const RESOLUTIONS = new Set(["auto", "raw", "1min", "15min", "1h", "1d", "1mo"]);
const SHORTEST_MS = 10_000;
export const MOST_SIGNALS = 8;

/**
 * Read an address.
 * @param {string} search "?signal=...&range=day" or "?signal=...&from=MS&to=MS"
 * @param {string[]} usual signals of an address that names none
 * @returns {{signals: string[], range: ?string, from: ?number, to: ?number, resolution: string}}
 *   `range` is null where from and to are fixed
 */
export function readState(search, usual) {
  const query = new URLSearchParams(search);
  const [from, to] = ["from", "to"].map((name) => Number(query.get(name) ?? NaN));
  const fixed = Number.isSafeInteger(from) && Number.isSafeInteger(to) && from >= 0 && from < to;
  const range = query.get("range");
  const resolution = query.get("resolution");
  const named = [...new Set(query.getAll("signal").filter(Boolean))].slice(0, MOST_SIGNALS);
  return {
    signals: query.has("signal") ? named : usual,
    range: fixed ? null : Object.hasOwn(PRESETS, range ?? "") ? range : "day",
    from: fixed ? from : null,
    to: fixed ? to : null,
    resolution: RESOLUTIONS.has(resolution) ? resolution : "auto",
  };
}

/** The address of a state, from "?" on. */
export function writeState({ signals, range, from, to, resolution }) {
  const query = new URLSearchParams();
  for (const signal of signals.length ? signals : [""]) query.append("signal", signal);
  if (range) query.set("range", range);
  else { query.set("from", from); query.set("to", to); }
  if (resolution !== "auto") query.set("resolution", resolution);
  return `?${query.toString().replaceAll("%3A", ":")}`;
}

/** [from, to) of a state in epoch ms. */
export function windowOf({ range, from, to }, nowMs, firstMs) {
  if (!range) return [from, to];
  const length = PRESETS[range];
  const start = length ? nowMs - length : Math.min(firstMs ?? nowMs - DAY_MS, nowMs - HOUR_MS);
  return [Math.max(0, Math.floor(start)), Math.ceil(nowMs)];
}

/** A window moved: "earlier", "later", "in" or "out", around its middle or `around`. */
export function moved([from, to], way, nowMs, around = (from + to) / 2) {
  const length = to - from;
  const shift = { earlier: -length / 2, later: length / 2 }[way];
  if (shift !== undefined) return [Math.max(0, from + shift), Math.max(0, from + shift) + length].map(Math.round);
  const share = (around - from) / length;
  const wanted = Math.max(SHORTEST_MS, length * (way === "in" ? 0.5 : 3));
  const start = Math.max(0, around - share * wanted);
  const end = Math.max(start + SHORTEST_MS, way === "out" ? Math.min(start + wanted, Math.max(to, nowMs)) : start + wanted);
  return [Math.round(start), Math.round(end)];
}

/** A window that was dragged open: never shorter than ten seconds. */
export function opened(fromMs, toMs) {
  const middle = (fromMs + toMs) / 2;
  const half = Math.max(SHORTEST_MS, toMs - fromMs) / 2;
  return [Math.max(0, Math.round(middle - half)), Math.round(middle + half)];
}
