// Numbers and times as people read them; the same rules as format.py.
// Minus is U+2212, thousands have a comma, no value is an en dash; digits follow the kind of quantity.
import { language } from "./words.js";

const MINUS = "\u2212";
export const NO_VALUE = "\u2013";

/** `value` with `digits` decimals; with a plus sign where it is a deviation. */
export function number(value, digits = 2, signed = false) {
  if (value == null || !Number.isFinite(value)) return NO_VALUE;
  const size = Math.abs(value).toFixed(digits);
  const [whole, rest] = size.split(".");
  const text = whole.replace(/\B(?=(\d{3})+$)/g, ",") + (rest ? `.${rest}` : "");
  if (Number(size) === 0) return text;
  if (value < 0) return MINUS + text;
  return signed ? `+${text}` : text;
}

/** An estimated sum of money: whole, below a hundred with its cents. */
export const sum = (amount) => number(amount, amount != null && Math.round(Math.abs(amount) * 100) < 10_000 ? 2 : 0);

/** Energy in MWh; what power of a minute comes to with so many digits that it is not lost. */
export const energy = (mwh) => number(mwh, mwh > 0 && mwh < 0.1 ? 4 : 2);

/** A duration in its two largest units. */
export function span(seconds) {
  if (seconds == null || !Number.isFinite(seconds)) return NO_VALUE;
  const s = Math.max(0, Math.floor(seconds));
  const two = (v) => String(v).padStart(2, "0");
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

const clocks = new Map();

/** Time of day in a market's time zone: "10:37:12", or "10:37" without seconds. */
export function clock(atMs, zone, seconds = true) {
  const key = `${zone}|${seconds}`;
  if (!clocks.has(key)) {
    const parts = { timeZone: zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    if (seconds) parts.second = "2-digit";
    clocks.set(key, new Intl.DateTimeFormat("en-GB", parts));
  }
  return clocks.get(key).format(atMs);
}

/** Time on an axis; where the axis ends with the day (`endMs`) that midnight is 24:00. */
export function tick(atMs, zone, seconds, endMs) {
  return atMs === endMs && clock(atMs, zone, false) === "00:00" ? "24:00" : clock(atMs, zone, seconds);
}

/** Date in a market's time zone, year-month-day. */
export function day(atMs, zone) {
  const key = `day|${zone}`;
  if (!clocks.has(key)) clocks.set(key, new Intl.DateTimeFormat("sv-SE", { timeZone: zone }));
  return clocks.get(key).format(atMs).replaceAll("-", "\u2011");
}

/** Identifiers keep together at the end of a line. */
export const tag = (text) => text.replace(/(?<=[A-Z0-9])-(?=[A-Z0-9])/g, "\u2011");

/** Reads a number as people type or paste it: U+2212, comma or point, blanks; NaN if it is none. */
export function readNumber(text) {
  let plain = text.trim().replace(/[\u2212\u2013\u2012]/g, "-").replace(/[\s\u00a0\u202f']/g, "");
  if (/^[+-]?\d{1,3}(,\d{3})+\.\d+$/.test(plain)) plain = plain.replaceAll(",", "");
  else if (/^[+-]?\d*,\d+$/.test(plain)) plain = plain.replace(",", ".");
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain) ? Number(plain) : NaN;
}

/** How a point's value is written, by the name in `data-as`. */
export const FORMS = {
  mw: (v) => number(v / 1e3, 2),
  mwh: (v) => number(v / 1e3, 2),
  kv: (v) => number(v / 1e3, 1),
  mohm: (v) => number(v / 1e3, 2),
  percent: (v) => number(v * 100, 1),
  mv: (v) => number(v * 1e3, 0),
  hz: (v) => number(v, 2),
  c: (v) => number(v, 1),
  k1: (v) => number(v, 1),
  kw1: (v) => number(v, 1),
  v3: (v) => number(v, 3),
  n0: (v) => number(v, 0),
  n1: (v) => number(v, 1),
  n2: (v) => number(v, 2),
  offset: (v) => number(v, 2, true),
  half: (v) => `±${number(v * 100, 1)}`,
  minus0: (v) => number(-v, 0),
  cell: (v) => number(v, 0),
};

export const isChinese = language.startsWith("zh");
