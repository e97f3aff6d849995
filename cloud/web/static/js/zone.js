// Market time: from a moment to what the clock there shows, and back.

const clocks = new Map();

/** What the clock of `zone` shows at a moment: [year, month 1..12, day, hour, minute, second]. */
export function partsAt(atMs, zone) {
  if (!clocks.has(zone)) {
    clocks.set(zone, new Intl.DateTimeFormat("en-GB", { timeZone: zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" }));
  }
  const found = Object.fromEntries(clocks.get(zone).formatToParts(atMs).map(({ type, value }) => [type, Number(value)]));
  return [found.year, found.month, found.day, found.hour, found.minute, found.second];
}

function shownAsUtc(atMs, zone) {
  const [year, month, ...rest] = partsAt(atMs, zone);
  return Date.UTC(year, month - 1, ...rest);
}

/**
 * The moment at which the clock of `zone` shows these parts; days and months may run over.
 * An hour that comes twice is its first; one that is skipped is the moment of the jump's length later.
 */
export function atParts([year, month, day = 1, hour = 0, minute = 0, second = 0], zone) {
  const shown = Date.UTC(year, month - 1, day, hour, minute, second);
  const DAY_MS = 86_400_000;
  const tries = [-DAY_MS, DAY_MS].map((away) => shown - (shownAsUtc(shown + away, zone) - (shown + away)));
  const right = tries.filter((at) => shownAsUtc(at, zone) === shown);
  return right.length ? Math.min(...right) : Math.max(...tries);
}

const two = (v) => String(v).padStart(2, "0");

/** "2026-05-01 18:00", with seconds where asked or where they are not zero; typed and read again. */
export function showTime(atMs, zone, seconds = false) {
  const [year, month, day, hour, minute, second] = partsAt(atMs, zone);
  return `${year}-${two(month)}-${two(day)} ${two(hour)}:${two(minute)}${seconds || second ? `:${two(second)}` : ""}`;
}

/** The moment that a person typed as year-month-day hour:minute in market time; null if it is none. */
export function readTime(text, zone) {
  const plain = text.trim().replace(/[\u2010-\u2015\u2212]/g, "-").replaceAll("\uff1a", ":");
  const found = plain.match(/^(\d{4})-(\d{1,2})-(\d{1,2})(?:[ T](\d{1,2}):(\d{2})(?::(\d{2}))?)?$/);
  if (!found) return null;
  const [year, month, day, hour, minute, second] = found.slice(1).map((part) => Number(part ?? 0));
  const real = new Date(Date.UTC(year, month - 1, day));
  const fits = real.getUTCMonth() === month - 1 && real.getUTCDate() === day && hour < 24 && minute < 60 && second < 60;
  return fits && year >= 1970 ? atParts([year, month, day, hour, minute, second], zone) : null;
}

/** The moment in UTC, as it stands in exports: "2026-05-01T10:00:00Z". */
export const utc = (atMs) => `${new Date(Math.round(atMs)).toISOString().slice(0, 19)}Z`;
