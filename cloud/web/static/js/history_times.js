// Times under a chart, in market time: the clock for hours, dates for days, months and years beyond.
import { day } from "./format.js";
import { showTime } from "./zone.js";

const MINUTE_S = 60;
const DAY_S = 86_400;
const MONTH_S = 28 * DAY_S;
const YEAR_S = 365 * DAY_S;

/**
 * One text for each tick; a second line says the day (or year) where it changes.
 * @param {number[]} splits seconds
 * @param {number} step distance of ticks in seconds
 */
export function axisTimes(splits, step, zone) {
  const [upper, lower] = step >= YEAR_S ? [year, null] : step >= MONTH_S ? [month, null] : step >= DAY_S ? [date, year] : [step < MINUTE_S ? second : minute, whole];
  let before = null;
  return splits.map((at) => {
    const below = lower?.(at * 1e3, zone) ?? "";
    const text = below && below !== before ? `${upper(at * 1e3, zone)}\n${below}` : upper(at * 1e3, zone);
    before = below;
    return text;
  });
}

const whole = (at, zone) => day(at, zone);
const year = (at, zone) => day(at, zone).slice(0, 4);
const month = (at, zone) => day(at, zone).slice(0, 7);
const date = (at, zone) => day(at, zone).slice(5);
const minute = (at, zone) => showTime(at, zone).slice(11, 16);
const second = (at, zone) => showTime(at, zone, true).slice(11);
