// From an answer of the series query to what charts and tables show. Nothing is filled in: where no
// sample or bucket is, the line ends.
import { day } from "./format.js";
import { atParts, partsAt, showTime } from "./zone.js";

const STEP_S = { "1min": 60, "15min": 900, "1h": 3600, "1d": 86_400, "1mo": 31 * 86_400 };
// A day may have 25 hours; a month's step is its longest.
const NEXT_S = { ...STEP_S, "1d": 90_000, "1mo": 31 * 86_400 + 3600 };
// Samples further apart than this many of their own steps have a hole between them.
const HOLE_STEPS = 1.75;

/** The end of the bucket that begins at `atMs`; days and months are those of the zone. */
export function bucketEnd(atMs, resolution, zone) {
  if (resolution !== "1d" && resolution !== "1mo") return atMs + STEP_S[resolution] * 1e3;
  const [year, month, date] = partsAt(atMs, zone);
  return atParts(resolution === "1d" ? [year, month, date + 1] : [year, month + 1, 1], zone);
}

/** A bucket as tables name it: "2026-05-01 18:00–18:15", "2026-05-01", "2026-05". */
export function bucketName(atMs, resolution, zone) {
  const date = day(atMs, zone);
  if (resolution === "1mo") return date.slice(0, 7);
  if (resolution === "1d") return date;
  const [from, to] = [atMs, bucketEnd(atMs, resolution, zone)].map((at) => showTime(at, zone).slice(11, 16));
  return `${date} ${from}\u2013${to}`;
}

/** The usual distance of samples in seconds: the median of their distances. */
function stepOf(times) {
  const apart = times.slice(1).map((at, i) => at - times[i]).sort((a, b) => a - b);
  return apart.length ? apart[apart.length >> 1] : 1;
}

/**
 * One signal of an answer, in the unit it is shown in.
 * @returns {{known: object, times: number[], buckets: boolean, values: (number|null)[], low: ?(number|null)[],
 *   high: ?(number|null)[], count: number[], hole: number}} times in seconds; `low` and `high` are
 *   those of each bucket, null for samples; a distance of more than `hole` seconds is a hole
 */
export function rowOf(series, known, resolution) {
  const times = series.times_ms.map((at) => at / 1e3);
  const scaled = (list) => list?.map((v) => (v == null ? null : v * known.scale)) ?? null;
  const raw = resolution === "raw";
  // The mean of a state or of a counter says nothing; its newest value does.
  const shown = raw || known.kind === "analog" ? series.values : (series.last ?? series.values);
  return {
    known, times,
    buckets: !raw,
    values: scaled(shown),
    low: raw ? null : scaled(series.minimum),
    high: raw ? null : scaled(series.maximum),
    means: scaled(series.values),
    count: raw ? series.values.map((v) => (v == null ? 0 : 1)) : (series.count ?? series.values.map(() => 1)),
    points: times.length,
    hole: raw ? stepOf(times) * HOLE_STEPS : NEXT_S[resolution],
  };
}

/** The row with the interval around its values as its band; `half` is the answer of its half width. */
export function withInterval(row, half) {
  const widths = new Map((half?.times_ms ?? []).map((at, i) => [at / 1e3, half.values[i]]));
  const of = (i) => { const w = widths.get(row.times[i]); return w == null ? null : w * row.known.scale; };
  const halves = row.times.map((_, i) => of(i));
  const edge = (sign) => row.values.map((v, i) => (v == null || halves[i] == null ? null : v + sign * halves[i]));
  return { ...row, halves, low: edge(-1), high: edge(1) };
}

/** [times, values, high, low] of a row as a chart draws them: each bucket as wide as it is. */
export function drawn(row, resolution, zone) {
  const { times, values, high, low, hole } = row;
  const columns = [values, high ?? values, low ?? values];
  const table = [[], [], [], []];
  const put = (at, of) => { table[0].push(at); columns.forEach((column, k) => table[k + 1].push(of(column))); };
  const close = (i) => {
    const end = resolution === "raw" ? times[i] : bucketEnd(times[i] * 1e3, resolution, zone) / 1e3;
    if (resolution !== "raw") put(end, (column) => column[i]);
    put(end + 1e-3, () => null);
  };
  times.forEach((at, i) => {
    if (i && at - times[i - 1] > hole + 1e-6) close(i - 1);
    put(at, (column) => column[i]);
  });
  if (times.length && resolution !== "raw") close(times.length - 1);
  return table;
}

/** Rows by axis, in the order in which they were chosen. */
export function byAxis(rows) {
  const found = new Map();
  for (const row of rows) found.set(row.known.axis, [...(found.get(row.known.axis) ?? []), row]);
  return [...found].map(([axis, own]) => ({ axis, unit: own[0].known.unit, rows: own }));
}

/** Index of the newest time at or before `at`, or -1. */
export function indexAt(times, at) {
  let low = -1;
  let high = times.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (times[middle] <= at) low = middle; else high = middle - 1;
  }
  return low;
}

/** Lowest, mean, highest and newest value of a row; mean by the number of samples. */
export function summary({ values, means, low, high, halves, count, points }) {
  let least = null;
  let most = null;
  let sum = 0;
  let weight = 0;
  let last = null;
  const bounds = halves ? [] : [low, high];
  values.forEach((v, i) => {
    const [a, b] = [bounds[0]?.[i] ?? v, bounds[1]?.[i] ?? v];
    if (a != null && (least == null || a < least)) least = a;
    if (b != null && (most == null || b > most)) most = b;
    if (means[i] != null && count[i]) { sum += means[i] * count[i]; weight += count[i]; }
    if (v != null) last = v;
  });
  return { least, most, mean: weight ? sum / weight : null, last, points };
}
