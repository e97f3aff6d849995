// The fleet's power against its schedule: the sum over all stations, minute by minute, and at the end
// what the tile shows now.
import { ask, cloudNow } from "./console.js";
import { Chart } from "./chart.js";
import { one, say } from "./dom.js";
import { planTable, series } from "./series.js";
import { pageData, t } from "./words.js";

const facts = pageData("facts");
const RENEW_MS = 15_000;
const MINUTE_S = 60;
const HOLE_S = 5 * MINUTE_S;

/** Sum of tables on a common grid of minutes, of the stations that have a value in each. */
function sum(tables) {
  const total = new Map();
  for (const [times, values] of tables) {
    times.forEach((at, i) => {
      if (values[i] == null) return;
      const minute = Math.floor(at / MINUTE_S) * MINUTE_S;
      total.set(minute, (total.get(minute) ?? 0) + values[i] * 1e-3);
    });
  }
  const minutes = [...total.keys()].sort((a, b) => a - b);
  return [minutes, minutes.map((m) => total.get(m))];
}

/** Sum of stepped plans: the same day in one time zone adds point by point. */
function sumPlans(plans) {
  const known = plans.filter(([times]) => times.length);
  if (!known.length) return [[], []];
  const times = [...new Set(known.flatMap(([x]) => x))].sort((a, b) => a - b);
  const at = ([x, y], moment) => {
    let found = 0;
    for (let i = 0; i < x.length && x[i] <= moment; i++) found = y[i];
    return found;
  };
  return [times, times.map((moment) => known.reduce((total, plan) => total + at(plan, moment), 0))];
}

/** The tile's value in kW, which is renewed every second; null where no station is linked. */
const tile = (name) => {
  const text = one("#fleet").dataset[name];
  return text ? Number(text) : null;
};

/**
 * Measured minutes up to now. A minute's mean comes after its end, so that the last ones tell of
 * another moment than the tile; at the end stands the tile's own value.
 */
function upToNow([minutes, sums]) {
  const now = cloudNow() / 1e3;
  const over = minutes.filter((m) => m + MINUTE_S <= now).length;
  const [times, values] = [minutes.slice(0, over), sums.slice(0, over)];
  if (over && now - times[over - 1] > HOLE_S) { times.push(times[over - 1] + MINUTE_S); values.push(null); }
  const power = tile("power");
  return [[...times, now], [...values, power == null ? null : power * 1e-3]];
}

if (facts?.stations.length) {
  const rated = facts.stations.reduce((total, s) => total + s.rated_kw, 0) / 1e3;
  const chart = new Chart("fleet-chart", {
    zone: facts.zone,
    y: () => [-rated * 1.2, rated * 1.2],
    now: () => cloudNow() / 1e3,
    dayEnd: () => facts.day_end_ms / 1e3,
    series: [
      { label: t("schedule"), name: "sched", colour: "--c-sched", step: true, fill: "--c-fill" },
      { label: t("measured"), name: "act", colour: "--c-act", width: 1.75 },
    ],
  });
  let plan = [[], []];
  let minutes = [[], []];
  const draw = () => chart.set(facts.day_start_ms / 1e3, facts.day_end_ms / 1e3, [plan, upToNow(minutes)]);
  const load = async () => {
    try {
      const now = cloudNow();
      const found = await Promise.all(facts.stations.map(async ({ id, controller }) => {
        const ordered = planTable(await ask(`/api/v1/stations/${id}/schedules`));
        const power = controller ? await series(id, [`${controller}:delivered_power_kw`], facts.day_start_ms, now, "1min") : [[[], []]];
        return { ordered, power: power[0] };
      }));
      plan = sumPlans(found.map((f) => f.ordered));
      minutes = sum(found.map((f) => f.power));
      draw();
    } catch (error) {
      say(error.message);
    }
  };
  // A schedule that the stations have begun to follow is drawn at once, not at the next renewal.
  let followed = tile("scheduled");
  document.addEventListener("htmx:afterSwap", ({ detail }) => {
    if (detail.elt.id !== "fleet") return;
    draw();
    if (tile("scheduled") !== followed) load();
    followed = tile("scheduled");
  });
  load();
  setInterval(load, RENEW_MS);
}
