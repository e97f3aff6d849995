// Charts of the desk over time: the forecast with its bands, and the plan with what is offered.
import { Chart } from "./chart.js";
import { cloudNow } from "./console.js";
import { number } from "./format.js";
import { t } from "./words.js";

/** So many of the possible days are drawn, by rank of their revenue. */
const DAYS = 5;

const steps = (starts, values, stepS) => [[...starts, starts[starts.length - 1] + stepS], [...values, values[values.length - 1]]];

/** Now, or the interval that is chosen where now lies outside; seconds. */
const moment = (begin, end, chosen) => (cloudNow() / 1e3 >= begin && cloudNow() / 1e3 < end ? cloudNow() / 1e3 : chosen() / 1e3);

/**
 * The scenario fan of a forecast: median, bands of 50 and 90 %, and some of the days that the bid is
 * weighed with. What is returned takes these days: `{price}` by interval of the bid.
 */
export function fan(facts, forecast, chosen) {
  const at = (level) => forecast.quantiles.map((row) => row[forecast.levels.findIndex((one) => Math.abs(one - level) < 1e-9)]);
  const begin = forecast.start_ms / 1e3;
  const stepS = forecast.step_min * 60;
  const starts = forecast.mean.map((_, i) => begin + i * stepS);
  const sets = [0.05, 0.25, 0.5, 0.75, 0.95].map(at);
  let days = [];
  const range = () => {
    const whole = [...sets.flat(), ...days.flatMap(({ price }) => price)];
    const [low, high] = [Math.min(...whole), Math.max(...whole)];
    const room = (high - low) * 0.08 || 1;
    return [low - room, high + room];
  };
  const end = begin + starts.length * stepS;
  const chart = new Chart("fan", {
    zone: facts.zone,
    y: range,
    now: () => moment(facts.bid.begin_ms / 1e3, facts.bid.end_ms / 1e3, chosen), // where its days are
    dayEnd: () => end,
    series: [
      { label: "", name: "fill", colour: "--c-sched", step: true, width: 0, digits: 0 },
      { label: "", name: "fill", colour: "--c-sched", step: true, width: 0, digits: 0 },
      { label: t("median"), name: "act", colour: "--c-act", step: true, width: 1.75, digits: 0 },
      { label: "", name: "fill", colour: "--c-sched", step: true, width: 0, digits: 0 },
      { label: t("upper end of 90 %"), name: "sched", colour: "--c-sched", step: true, width: 0.5, digits: 0 },
      ...Array.from({ length: DAYS }, (_, i) => ({ label: i || facts.held ? "" : t("possible days, the poorest of twenty"), name: "alt", colour: "--c-alt", step: true, width: 0.75, digits: 0 })),
    ],
    bands: [{ edges: [4, 0], colour: "--c-sched" }, { edges: [3, 1], colour: "--c-sched" }],
  });
  const tables = sets.map((values) => steps(starts, values, stepS));
  const times = facts.bid.versions[0].intervals.map(({ start_ms: at }) => at / 1e3);
  const show = () => chart.set(begin, end, [...tables, ...Array.from({ length: DAYS }, (_, i) => (days[i] ? steps(times, days[i].price, facts.bid.interval_min * 60) : [[], []]))]);
  show();
  return (seen = days) => { days = seen; show(); };
}

/** The plan: power and SOC, the price to a scale of its own, what is offered each way. */
export function planChart(facts, plan, offers, chosen) {
  const begin = facts.bid.begin_ms / 1e3;
  const end = facts.bid.end_ms / 1e3;
  const stepS = facts.bid.interval_min * 60;
  const starts = offers.intervals.map(({ start_ms: at }) => at / 1e3);
  const planned = plan ? plan.starts_ms.map((at) => at / 1e3) : [];
  const most = () => 1.2 * Math.max(0.1, ...offers.most(1), ...offers.most(-1).map(Math.abs), ...(plan?.power_mw ?? []).map(Math.abs));
  const fixed = most();
  const prices = plan?.price ?? [];
  const [low, high] = prices.length ? [Math.min(...prices), Math.max(...prices)] : [0, 1];
  const scale = (price) => -fixed + (1.8 * fixed * (price - low)) / (high - low || 1);
  const down = facts.directions.every((way) => way === "down");
  const held = (drawn) => (drawn ? t("holds ready") : "");
  const chart = new Chart("plan", {
    zone: facts.zone,
    y: () => [-Math.max(fixed, most()), Math.max(fixed, most())],
    ticks: (v) => number(v, fixed < 4 ? 1 : 0),
    now: () => moment(begin, end, chosen),
    dayEnd: () => end,
    percent: true,
    series: [
      { label: `${t("price")}, ${facts.price_unit}`, name: "alt", colour: "--c-alt", step: true, width: 1.25, digits: 0, unscaled: (v) => low + ((v + fixed) * (high - low || 1)) / (1.8 * fixed) },
      { label: "SOC, %", name: "soc", colour: "--c-soc", width: 1.5, digits: 1, percent: true },
      { label: t("plan"), name: "sched", colour: "--c-sched", step: true, width: 1.25, dash: [2, 3] },
      { label: facts.held ? held(down) : t("buys"), name: "act", colour: "--c-act", step: true, width: 1.75, fill: "--c-fill" },
      { label: facts.held ? held(!down) : t("sells"), name: "act", colour: "--c-act", step: true, width: 1.75, fill: "--c-fill" },
    ],
  });
  const none = [[], []];
  const show = () => {
    const planStep = plan ? plan.step_h * 3600 : 0;
    const times = planned.length ? [...planned, planned[planned.length - 1] + planStep] : [];
    const soc = (plan?.soc ?? []).slice(0, times.length).map((v) => v * 100);
    chart.set(begin, end, [
      planned.length ? steps(planned, prices.map(scale), planStep) : none,
      soc.length ? [times.slice(0, soc.length), soc] : none,
      planned.length ? steps(planned, plan.power_mw, planStep) : none,
      steps(starts, offers.most(-1), stepS),
      steps(starts, offers.most(1), stepS),
    ]);
  };
  show();
  return show;
}
