// The schedule editor: one model behind chart and table, checked at each key, checked again by the
// cloud, signed only after a look at exactly what is signed, followed until the station's receipt.
import { ask, cloudNow } from "./console.js";
import { Chart } from "./chart.js";
import { one, say, write } from "./dom.js";
import { clock, number, readNumber, span } from "./format.js";
import { ScheduleGrid } from "./schedule_grid.js";
import { ScheduleModel, readBlock } from "./schedule_model.js";
import { pageData, t } from "./words.js";

const facts = pageData("facts");
const RECEIPT_EVERY_MS = 500;
const RECEIPT_LIMIT_MS = 60_000;
const stepS = facts.interval_min * 60;
const startS = facts.start_ms / 1e3;

const at = (i) => facts.start_ms + i * stepS * 1e3;
const label = (i) => `${clock(at(i), facts.zone, false)}\u2013${clock(at(i + 1), facts.zone, false)}`;
const model = new ScheduleModel(facts.power_kw.map((p) => Math.round(p / 10) / 100), facts);
const rated = facts.rated_kw / 1000;

const limitWords = {
  over_rating: () => t("beyond the rating of {mw} MW", { mw: number(rated) }),
  below_soc_band: () => t("SOC below {percent} %", { percent: number(facts.soc_min * 100, 0) }),
  above_soc_band: () => t("SOC above {percent} %", { percent: number(facts.soc_max * 100, 0) }),
};

let check = model.check();
const chart = new Chart("schedule-chart", {
  zone: facts.zone,
  y: () => [-rated * 1.2, rated * 1.2],
  now: () => (cloudNow() / 1e3 >= startS && cloudNow() / 1e3 < startS + model.size * stepS ? cloudNow() / 1e3 : startS + grid.current * stepS),
  lines: () => [{ y: rated, label: `${t("rated")} ${number(rated)}` }, { y: -rated }],
  series: [
    { label: t("in force"), name: "sched", colour: "--c-sched", step: true, width: 1.25, dash: [2, 3] },
    { label: t("schedule"), name: "act", colour: "--c-act", step: true, width: 2, fill: "--c-fill" },
    { label: "SOC, %", name: "soc", colour: "--c-soc", width: 1.5, digits: 1, percent: true },
  ],
  percent: true,
  dayEnd: () => startS + model.size * stepS,
});

const grid = new ScheduleGrid(one("#grid"), model, {
  label,
  hour: (i) => clock(at(i), facts.zone, false).slice(0, 2),
  changed: show,
  paste: (text, first) => take(text, first),
});

function steps(powers) {
  const times = powers.map((_, i) => startS + i * stepS);
  return [[...times, startS + powers.length * stepS], [...powers, powers[powers.length - 1]]];
}

function show() {
  check = model.check();
  const now = Math.floor((cloudNow() - facts.start_ms) / (stepS * 1e3));
  grid.show(check, now);
  const soc = check.soc.map((v, i) => [startS + i * stepS, v == null ? null : v * 100]);
  chart.set(startS, startS + model.size * stepS, [facts.ordered ? steps(model.base) : [[], []], steps(model.powers), [soc.map(([x]) => x), soc.map(([, y]) => y)]]);
  write(one("[data-changed]"), String(model.changed));
  write(one("[data-charged]"), number(check.charged));
  write(one("[data-discharged]"), number(check.discharged));
  write(one("[data-soc-range]"), check.range ? `${number(check.range[0] * 100, 1)} \u2026 ${number(check.range[1] * 100, 1)} %` : t("unknown, no present SOC"));
  verdict();
}

function verdict() {
  const place = one("[data-check]");
  const first = Math.min(...check.broken.keys());
  const over = facts.over ? t("This day is over.") : "";
  if (check.broken.size) {
    write(place, t("{count} points break a limit, first {when}: {what}", { count: check.broken.size, when: label(first), what: limitWords[check.broken.get(first)]() }));
  } else write(place, over || t("All points within limits"));
  place.classList.toggle("b", check.broken.size > 0);
  one('[data-act="send"]').disabled = check.blocked || facts.over || !facts.may_send || (facts.ordered && model.changed === 0);
  one('[data-act="undo"]').disabled = !model.history.length;
}

// Paste: a column or a row of numbers from the point where the cursor stands.
function take(text, first) {
  const { numbers, bad } = readBlock(text, readNumber);
  if (bad.length) return tell(t("Nothing was taken over: {text} is not a number.", { text: `"${bad[0].slice(0, 20)}"` }));
  if (!numbers.length) return tell(t("Nothing was taken over: there is no number."));
  // A whole day pasted anywhere is meant from the day's first point.
  const from = numbers.length === model.size ? 0 : first;
  const set = model.set(numbers.map((_, k) => from + k), numbers);
  const left = numbers.length - set;
  grid.anchor = null;
  show();
  return tell(left ? t("{set} points taken over, {left} left out: past or after the day's end.", { set, left }) : t("{set} points taken over.", { set }));
}

// Said aloud, in the paste dialog, and in the footer of the table.
function tell(words) {
  say(words);
  write(one("#paste-finding"), words);
  write(one("[data-told]"), words);
}

function openPaste() {
  const select = one("#paste-at");
  select.replaceChildren(...model.powers.map((_, i) => new Option(clock(at(i), facts.zone, false), String(i), false, i === grid.current)));
  write(one("#paste-finding"), "");
  one("#paste").showModal();
  one("#paste-text").focus();
}

const request = () => ({ date: facts.date, interval_min: facts.interval_min, power_kw: model.powers.map((p) => Math.round(p * 1000 * 10) / 10) });

async function openSign() {
  let answer;
  try {
    answer = await ask(`/api/v1/stations/${facts.station}/schedules/check`, { method: "POST", body: request() });
  } catch (error) {
    return tell(t("The cloud cannot check the schedule: {reason}", { reason: error.message }));
  }
  const { powers } = model;
  const fields = {
    points: String(powers.length),
    energy: `${number(answer.charged_kwh / 1e3)} / ${number(answer.discharged_kwh / 1e3)} MWh`,
    extremes: `${number(Math.max(...powers))} / ${number(Math.min(...powers))} MW`,
    soc: check.range ? `${number(check.range[0] * 100, 1)} \u2026 ${number(check.range[1] * 100, 1)} %` : t("unknown"),
    changed: String(model.changed),
    fingerprint: answer.fingerprint.replace(/(.{4})/g, "$1 ").trim(),
  };
  for (const [name, text] of Object.entries(fields)) write(one(`[data-sign="${name}"]`), text);
  const findings = answer.findings.map((f) => t("{count} points break a limit, first {when}: {what}", { count: f.count, when: label(f.first), what: limitWords[f.code]() }));
  const blocked = answer.findings.some((f) => f.blocks);
  one('[data-sign="warning"]').hidden = !findings.length;
  write(one('[data-sign="warning"]'), findings.join(" "));
  one('[data-sign="known"]').hidden = !findings.length || blocked;
  one("#known").checked = false;
  const send = one("#send");
  send.disabled = findings.length > 0;
  one("#known").onchange = () => { send.disabled = blocked || !one("#known").checked; };
  const dialog = one("#sign");
  dialog.returnValue = "";
  dialog.onclose = () => { if (dialog.returnValue === "ok") sendOrder(answer.fingerprint); };
  dialog.showModal();
}

const life = (name) => one(`[data-life="${name}"]`);
const stepsOf = () => [...one("#life-steps").children];

async function sendOrder(fingerprint) {
  const dialog = one("#life");
  for (const step of stepsOf()) step.className = "";
  for (const name of ["counter", "signed", "verified", "receipt", "words"]) write(life(name), name === "words" || name === "counter" ? "" : "–");
  dialog.showModal();
  let order;
  try {
    order = await ask(`/api/v1/stations/${facts.station}/schedules`, { method: "POST", body: { ...request(), fingerprint } });
  } catch (error) {
    stepsOf()[0].className = "stopped";
    write(life("words"), t("Not sent: {reason}", { reason: error.message }));
    return;
  }
  document.body.dispatchEvent(new Event("sm:order"));
  write(life("counter"), String(order.counter));
  write(life("signed"), clock(order.issued_ms, facts.zone));
  stepsOf()[0].className = "done";
  stepsOf()[1].className = "now";
  write(life("words"), t("Sent. Waiting for the station's receipt."));
  model.base = [...model.powers];
  model.history = [];
  facts.ordered = true;
  show();
  await follow(order);
}

async function follow(order) {
  const until = performance.now() + RECEIPT_LIMIT_MS;
  for (;;) {
    await new Promise((go) => setTimeout(go, RECEIPT_EVERY_MS));
    let receipt = null;
    try {
      const { orders } = await ask(`/api/v1/stations/${facts.station}/orders?limit=20`);
      receipt = orders.find(({ id }) => id === order.id)?.receipt ?? null;
    } catch { /* the next question may be answered */ }
    if (receipt) return settled(order, receipt);
    if (performance.now() > until) {
      write(life("words"), t("No receipt after {age}. The order stays in force until it expires; the station takes it when the link is back.", { age: span(RECEIPT_LIMIT_MS / 1e3) }));
      return;
    }
  }
}

function settled(order, receipt) {
  const good = ["accepted", "executed", "superseded"].includes(receipt.outcome);
  const reason = document.documentElement.lang.startsWith("zh") ? receipt.reason_zh : receipt.reason_en;
  const [, verified, last] = stepsOf();
  verified.className = "done";
  last.className = good ? "done" : "stopped";
  write(life("verified"), `+${number((receipt.at_ms - order.issued_ms) / 1e3, 1)} s`);
  write(life("receipt"), clock(receipt.at_ms, facts.zone));
  write(life("words"), good ? t("The station has accepted the schedule and signed the receipt.") : t("The station has refused the schedule: {reason}.", { reason }));
  one("#life").dataset.outcome = receipt.outcome;
  document.body.dispatchEvent(new Event("sm:order"));
}

document.addEventListener("click", (event) => {
  const act = event.target.closest("[data-act]")?.dataset.act;
  if (act === "paste") openPaste();
  if (act === "undo" && model.undo()) show();
  if (act === "reset") { model.reset(); show(); }
  if (act === "send") openSign();
  if (act === "take") {
    event.preventDefault();
    const before = model.history.length;
    take(one("#paste-text").value, Number(one("#paste-at").value));
    if (model.history.length > before) one("#paste").close();
  }
});
one('input[name="date"]').addEventListener("change", (event) => event.target.form.requestSubmit());
addEventListener("beforeunload", (event) => { if (model.changed) event.preventDefault(); });
show();
setInterval(show, 60_000);
