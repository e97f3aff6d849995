// History of signals, ready for charts: times in seconds, null where nothing was measured.
import { ask } from "./console.js";

/**
 * Series of one station.
 * @param {string} station
 * @param {string[]} signals "DEVICE:signal" or "DEVICE:signal:index"
 * @returns {Promise<[number[], (number|null)[]][]>} one [times, values] table for each signal
 */
export async function series(station, signals, fromMs, toMs, resolution = "auto") {
  const query = new URLSearchParams({ station, from: Math.floor(fromMs), to: Math.ceil(toMs), resolution });
  for (const signal of signals) query.append("signal", signal);
  const answer = await ask(`/api/v1/series?${query}`);
  return answer.series.map(({ times_ms, values }) => withGaps(times_ms, values, PERIOD_S[answer.resolution] ?? usual(times_ms)));
}

const PERIOD_S = { "1min": 60, "15min": 900 };

// The usual distance of samples: devices are read every second, the cells of a rack more seldom.
function usual(timesMs) {
  const apart = timesMs.slice(1).map((at, i) => at - timesMs[i]).sort((a, b) => a - b);
  return apart.length ? Math.max(1, apart[apart.length >> 1] / 1e3) : 1;
}

// A hole of several periods is drawn as a hole, never bridged.
function withGaps(timesMs, values, periodS) {
  const times = [];
  const known = [];
  timesMs.forEach((at, i) => {
    const s = at / 1e3;
    const last = times[times.length - 1];
    if (last !== undefined && s - last > periodS * 5) { times.push(last + periodS); known.push(null); }
    times.push(s);
    known.push(values[i]);
  });
  return [times, known];
}

/**
 * A long range that is fresh to the second: minutes up to a quarter of an hour ago, then samples.
 */
export async function freshSeries(station, signals, fromMs, nowMs) {
  const RECENT_MS = 15 * 60_000;
  const split = Math.floor(Math.max(fromMs, nowMs - RECENT_MS) / 60_000) * 60_000;
  const [past, recent] = await Promise.all([
    split > fromMs ? series(station, signals, fromMs, split, "1min") : signals.map(() => [[], []]),
    series(station, signals, split, nowMs + 1000, "raw"),
  ]);
  return past.map(([times, values], i) => [[...times, ...recent[i][0]], [...values, ...recent[i][1]]]);
}

/** Add one live value to a table, unless its time is there already; drop what is before `from`. */
export function append([times, values], at, value, from) {
  const last = times[times.length - 1];
  if (last !== undefined && at <= last) return;
  if (last !== undefined && at - last > 10) { times.push(last + 1); values.push(null); }
  times.push(at);
  values.push(value);
  while (times.length && times[0] < from) { times.shift(); values.shift(); }
}

/** The plan of one day as a stepped table, closed at the day's end. */
export function planTable(schedule, scale = 1e-3) {
  if (!schedule?.power_kw) return [[], []];
  const step = schedule.interval_min * 60;
  const start = schedule.start_ms / 1e3;
  const times = schedule.power_kw.map((_, i) => start + i * step);
  const values = schedule.power_kw.map((p) => p * scale);
  return [[...times, start + times.length * step], [...values, values[values.length - 1]]];
}
