// The fleet's power against its schedule: the sum over all stations, minute by minute.
import { cloudNow } from "./console.js";
import { Chart } from "./chart.js";
import { say } from "./dom.js";
import { ask } from "./console.js";
import { planTable, series } from "./series.js";
import { pageData, t } from "./words.js";

const facts = pageData("facts");
const RENEW_MS = 15_000;
const MINUTE_S = 60;

/** Sum of tables on a common grid of minutes; a minute counts when every station that runs has it. */
function sum(tables) {
  const total = new Map();
  for (const [times, values] of tables) {
    times.forEach((at, i) => {
      if (values[i] == null) return;
      const minute = Math.floor(at / MINUTE_S) * MINUTE_S;
      const found = total.get(minute) ?? { sum: 0, count: 0 };
      total.set(minute, { sum: found.sum + values[i] * 1e-3, count: found.count + 1 });
    });
  }
  const minutes = [...total.keys()].sort((a, b) => a - b);
  return [minutes, minutes.map((m) => total.get(m).sum)];
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
  const load = async () => {
    try {
      const now = cloudNow();
      const found = await Promise.all(facts.stations.map(async ({ id, controller }) => {
        const plan = planTable(await ask(`/api/v1/stations/${id}/schedules`));
        const power = controller ? await series(id, [`${controller}:delivered_power_kw`], facts.day_start_ms, now, "1min") : [[[], []]];
        return { plan, power: power[0] };
      }));
      chart.set(facts.day_start_ms / 1e3, facts.day_end_ms / 1e3, [sumPlans(found.map((f) => f.plan)), sum(found.map((f) => f.power))]);
    } catch (error) {
      say(error.message);
    }
  };
  load();
  setInterval(load, RENEW_MS);
}
