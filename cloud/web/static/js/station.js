// The station page: what it does, what it may do, and why not more.
import { ask, cloudNow } from "./console.js";
import { drawBar, drawSpark } from "./bars.js";
import { Chart } from "./chart.js";
import { all, one, press, write } from "./dom.js";
import { FORMS, number, tag } from "./format.js";
import { age, facts, isStale, newest, onImage, rackOf, start, value, words } from "./live.js";
import { showStationEstimate } from "./station_estimate.js";
import { append, freshSeries, planTable } from "./series.js";
import { sentences, t } from "./words.js";

const { controller } = facts;
const point = (signal) => value(`${controller}:${signal}`);
const SIGNALS = [...["delivered_power_kw", "discharge_limit_kw", "charge_limit_kw", "soc"].map((s) => `${controller}:${s}`), ...(facts.meter ? [`${facts.meter}:frequency_hz`] : [])];
const SCALES = [1e-3, 1e-3, -1e-3, 100, 1];
const RENEW_MS = 60_000;
const SHORT_MS = 30 * 60_000;
// Deviation beyond this share of the rating is said in bold.
const TOLERANCE = 0.02;
const IDLE_KW = 1;
// Numbers of the state words of contract/states.py.
const RACK_FAULT = 4;
const PCS_FAULT = 4;
const PCS_WORKS = [2, 3];

let range = "day";
let chosen = false;
let plan = [[], []];
let tables = SIGNALS.map(() => [[], []]);

const nowS = () => cloudNow() / 1e3;
const rated = facts.rated_kw / 1e3;
const power = new Chart("power-chart", {
  zone: facts.zone,
  y: () => [-rated * 1.2, rated * 1.2],
  now: nowS,
  dayEnd: () => facts.day_end_ms / 1e3,
  series: [
    { label: t("schedule"), name: "sched", colour: "--c-sched", step: true, fill: "--c-fill" },
    { label: t("limits"), name: "limit", colour: "--c-limit", dash: [5, 4], width: 1.25, step: true },
    { label: "", name: "limit", colour: "--c-limit", dash: [5, 4], width: 1.25, step: true },
    { label: t("measured"), name: "act", colour: "--c-act", width: 1.75 },
  ],
});
const soc = new Chart("soc-chart", {
  zone: facts.zone,
  y: () => [0, 100],
  now: nowS,
  timeless: true,
  dayEnd: () => facts.day_end_ms / 1e3,
  lines: () => [{ y: facts.soc_max * 100 }, { y: facts.soc_min * 100 }],
  series: [{ label: "SOC, %", name: "soc", colour: "--c-soc", width: 1.75, digits: 1 }],
});

function windowS() {
  if (range === "day") return [facts.day_start_ms / 1e3, facts.day_end_ms / 1e3];
  const length = Number(range) * 60;
  return [nowS() - length, nowS() + length * 0.1];
}

function draw() {
  const [from, to] = windowS();
  power.set(from, to, [plan, tables[1], tables[2], tables[0]]);
  soc.set(from, to, [tables[3]]);
}

async function load() {
  const from = range === "day" ? facts.day_start_ms : cloudNow() - Number(range) * 60_000;
  try {
    const [found, schedule] = await Promise.all([
      freshSeries(facts.station, SIGNALS, from, cloudNow()),
      ask(`/api/v1/stations/${facts.station}/schedules`),
    ]);
    tables = found.map(([times, values], i) => [times, values.map((v) => (v == null ? null : v * SCALES[i]))]);
    plan = planTable(schedule);
    chooseRange();
    draw();
    sparks();
  } catch (error) {
    if (error.status !== 404) write(one("#say"), t("The trend cannot be loaded: {reason}", { reason: error.message }));
  }
}

// A station that has run for minutes only would be a dot on the day's axis.
function chooseRange() {
  const first = tables[0][0][0];
  if (chosen || first === undefined || first * 1e3 < cloudNow() - SHORT_MS) return;
  chosen = true;
  select(one('#range [data-range="10"]'));
}

function select(button) {
  range = button.dataset.range;
  press(one("#range"), button);
}

function sparks() {
  const since = nowS() - 3600;
  for (const host of all("[data-spark]")) {
    const index = SIGNALS.indexOf(host.dataset.spark);
    if (index < 0) continue;
    const [times, values] = tables[index];
    const recent = values.filter((_, i) => times[i] >= since);
    const step = Math.max(1, Math.floor(recent.length / 120));
    drawSpark(host, recent.filter((_, i) => i % step === 0));
    host.closest(".kpi").title = t("Trend: last 60 min");
  }
}

function grow(image) {
  const at = image?.times_ms[controller];
  if (at == null) return;
  const from = windowS()[0];
  SIGNALS.forEach((signal, i) => {
    const now = value(signal);
    append(tables[i], at / 1e3, now == null ? null : now * SCALES[i], from);
  });
  draw();
}

function tiles() {
  const delivered = point("delivered_power_kw");
  const scheduled = point("scheduled_power_kw");
  const place = one("[data-deviation]");
  const off = delivered == null || scheduled == null ? null : delivered - scheduled;
  write(place, off == null ? "" : number(off / 1e3, 2, true));
  place.classList.toggle("b", off != null && Math.abs(off) > facts.rated_kw * TOLERANCE);
  const direction = delivered == null || Math.abs(delivered) < IDLE_KW ? "" : delivered > 0 ? t("discharging") : t("charging");
  write(one("[data-direction]"), direction && ` · ${direction}`);
}

function limits() {
  const delivered = point("delivered_power_kw");
  const scheduled = point("scheduled_power_kw");
  const out = point("discharge_limit_kw");
  const into = point("charge_limit_kw");
  const full = facts.rated_kw;
  drawBar(one("#power-bar"), {
    value: delivered, low: -full, high: full, zero: 0, setpoint: scheduled,
    limits: [into == null ? null : -into, out],
    forbidden: [[out ?? full, full], [-full, into == null ? -full : -into]],
  });
  drawBar(one("#soc-bar"), { value: point("soc"), low: 0, high: 1, band: [facts.soc_min, facts.soc_max], limits: [facts.soc_min, facts.soc_max] });
  binding(scheduled, out, into);
}

// Which limit binds, who set it, and what it does to the schedule.
function binding(scheduled, out, into) {
  if (out == null || into == null) {
    write(one("[data-binding-title]"), t("No limits known"));
    write(one("[data-binding-text]"), t("The station has not sent its limits yet."));
    return;
  }
  const short = scheduled != null && (scheduled > out + IDLE_KW || scheduled < -into - IDLE_KW);
  const way = scheduled != null && scheduled < 0 ? "charge" : "discharge";
  const reason = (kind) => words(`${kind}_limit_reason`, point(`${kind}_limit_reason`));
  const tight = { discharge: out < facts.rated_kw - IDLE_KW, charge: into < facts.rated_kw - IDLE_KW };
  let title = t("No limit below the rating");
  let text = t("The station may charge and discharge with its rated power.");
  let kind = null;
  if (short) {
    kind = way;
    const asked = number(scheduled / 1e3);
    const limit = number((way === "charge" ? -into : out) / 1e3);
    title = t("The schedule asks for {asked} MW, {limit} MW is possible", { asked, limit });
    text = sentence(reason(way));
  } else if (tight.discharge || tight.charge) {
    kind = tight[way] ? way : tight.discharge ? "discharge" : "charge";
    if (tight.discharge && tight.charge) title = t("Discharge limited to {out} MW, charge to {into} MW", { out: number(out / 1e3), into: number(into / 1e3) });
    else title = kind === "charge" ? t("Charge limited to {limit} MW", { limit: number(into / 1e3) }) : t("Discharge limited to {limit} MW", { limit: number(out / 1e3) });
    text = sentences(...reasons(tight, kind, reason), t("The schedule is inside the limits."));
  }
  const where = kind && culprit(kind);
  write(one("[data-binding-title]"), title);
  write(one("[data-binding-text]"), sentences(text, where?.words));
  one("#binding").classList.toggle("stop", short);
  const link = one("[data-binding-link]");
  link.hidden = !where?.rack;
  if (where?.rack) link.href = `/stations/${facts.station}/racks/${where.rack}`;
}

// Of the limits in force: contract/limits.py.
const REASON = { RACK_CURRENT: 2, SOC_BAND: 3, CELL_VOLTAGE: 7, CELL_TEMPERATURE: 8, CELL_MAP: 12, STATE_OF_HEALTH: 13, CELL_HEALTH: 24, RACK_SIGNALS: 25 };

// What limits need of a rack, both ways and in each: station/protection/limits.py. Extremes may be told by the cells.
const NEEDED = ["contactor_closed", "voltage_v", "soc", "cell_temperature_max_c", "cell_temperature_min_c"];
const NEEDED_TO = { charge: ["charge_current_limit_a", "cell_voltage_max_v"], discharge: ["discharge_current_limit_a", "cell_voltage_min_v"] };
const ofCells = (signal) => signal.replace(/^cell_/, "cells_");

const sentence = (words_) => words_.charAt(0).toUpperCase() + words_.slice(1) + t(".");

// The reason of the limit; of both directions where both are limited for different ones.
function reasons(tight, kind, reason) {
  const [out, into] = [reason("discharge"), reason("charge")];
  if (!tight.discharge || !tight.charge || out === into) return [sentence(reason(kind))];
  return [sentence(t("discharge: {reason}", { reason: out })), sentence(t("charge: {reason}", { reason: into }))];
}

// The limit of this second's decision: its word for none, "rated power", is no limit that bit.
// A wish of a source that does not decide is no part of what was asked, and says so.
function decided() {
  const source = point("dispatch_source");
  for (const node of all("[data-passed-over]")) {
    const outranked = source != null && source !== Number(node.dataset.source) && point(node.dataset.passedOver) != null;
    write(node, outranked ? ` · ${t("not followed")}` : "");
  }
  const place = one("[data-limit-that-bit]");
  const limit = point("binding_limit");
  write(place, limit === 0 ? t("nothing") : words("binding_limit", limit));
  place.classList.toggle("stale", isStale(controller));
}

// The rack that the station names for the limit that binds, its cell, and what stands at the bound.
function culprit(kind) {
  const rack = rackOf(point(`${kind}_limit_rack`));
  if (!rack) return null;
  const index = point(`${kind}_limit_cell`);
  const found = index >= 1 ? { rack: tag(rack), cell: number(index, 0) } : { rack: tag(rack) };
  const of = (signal) => value(`${rack}:${signal}`);
  const at = (digits, v) => ({ ...found, value: number(v, digits) });
  // As the station takes them: by the BMS, or by the cells where it tells none.
  const extreme = (signal) => of(signal) ?? of(ofCells(signal));
  const side = extreme("cell_temperature_min_index") === index ? "min" : "max";
  switch (found.cell && point(`${kind}_limit_reason`)) {
    case REASON.CELL_VOLTAGE: return { rack, words: t("{rack}, cell {cell}: {value} V.", at(3, extreme(`cell_voltage_${kind === "charge" ? "max" : "min"}_v`))) };
    case REASON.CELL_TEMPERATURE:
    case REASON.CELL_MAP: return { rack, words: t("{rack}, cell {cell}: {value} °C.", at(1, extreme(`cell_temperature_${side}_c`))) };
    case REASON.CELL_HEALTH: return { rack, words: t("{rack}, cell {cell}: its health leaves {value} % of the full current.", { ...found, value: FORMS.percent(of(`${kind}_health_share`)) }) };
  }
  if (found.cell) return { rack, words: t("{rack}, cell {cell}.", found) };
  switch (point(`${kind}_limit_reason`)) {
    case REASON.SOC_BAND: return { rack, words: t("{rack}: SOC {value} %.", { ...found, value: FORMS.percent(of("soc")) }) };
    case REASON.STATE_OF_HEALTH: return { rack, words: t("{rack}: SOH {value} %.", { ...found, value: FORMS.percent(of("soh")) }) };
    case REASON.RACK_CURRENT: return { rack, words: t("{rack}: at most {value} A.", at(0, of(`${kind}_current_limit_a`))) };
  }
  const missing = [...NEEDED, ...NEEDED_TO[kind]].filter((signal) => extreme(signal) == null);
  if (point(`${kind}_limit_reason`) === REASON.RACK_SIGNALS && missing.length) {
    return { rack, words: t("{rack} tells no value of: {signals}.", { ...found, signals: missing.join(", ") }) };
  }
  return { rack, words: t("First {rack}.", found) };
}

function containers() {
  for (const { id, racks } of facts.containers) {
    const row = one(`[data-limit-of="${id}"]`);
    const sum = (kind) => racks.reduce((total, r) => total + (value(`${r}:${kind}_current_limit_a`) ?? 0) * (value(`${r}:voltage_v`) ?? 0), 0) / 1e6;
    const bms = one("[data-bms]", row);
    write(bms, `${number(sum("discharge"))} / ${number(sum("charge"))}`);
    bms.closest("td").classList.toggle("stale", racks.some((r) => isStale(r)));
    const tightest = racks.reduce((best, r) => {
      const v = Math.min(value(`${r}:discharge_current_limit_a`) ?? Infinity, value(`${r}:charge_current_limit_a`) ?? Infinity);
      return v < (best?.v ?? Infinity) ? { r, v } : best;
    }, null);
    const link = one("[data-tightest]", row);
    write(link, tightest ? `${tag(tightest.r)} · ${number(tightest.v, 0)} A` : "–");
    link.closest("td").classList.toggle("stale", !tightest || isStale(tightest.r));
    if (tightest) link.href = `/stations/${facts.station}/racks/${tightest.r}`;
    const heard = racks.filter((r) => !isStale(r));
    const known = (heard.length ? heard : racks).map((r) => value(`${r}:soc`)).filter((v) => v != null);
    const mean = one(`[data-mean-soc="${id}"]`);
    mean.classList.toggle("stale", !heard.length);
    write(mean, known.length ? FORMS.percent(known.reduce((a, b) => a + b, 0) / known.length) : "–");
  }
}

function singleLine() {
  for (const link of all("[data-rack]")) {
    const rack = link.dataset.rack;
    const level = value(`${rack}:soc`);
    const bar = one(".soc", link);
    const height = 38 * Math.max(0, Math.min(1, level ?? 0));
    bar.setAttribute("height", height.toFixed(1));
    bar.setAttribute("y", (Number(bar.dataset.base) - height).toFixed(1));
    link.classList.toggle("old", isStale(rack));
    const state = value(`${rack}:rack_state`);
    const contactor = value(`${rack}:contactor_closed`);
    link.classList.toggle("out", contactor === 0);
    link.classList.toggle("fault", state === RACK_FAULT);
    const told = `${tag(rack)} · SOC ${level == null ? "–" : FORMS.percent(level)} % · ${words("rack_state", state)} · ${t("contactor")} ${words("contactor_closed", contactor)}`;
    write(one("title", link), told);
    if (link.getAttribute("aria-label") !== told) link.setAttribute("aria-label", told);
  }
  for (const box of all("[data-converter]")) {
    const state = value(`${box.dataset.converter}:pcs_state`);
    box.classList.toggle("fault", state === PCS_FAULT);
    box.classList.toggle("idle", state != null && !PCS_WORKS.includes(state));
  }
  for (const arrow of all("[data-arrow]")) {
    const flow = value(arrow.dataset.arrow);
    const { x, y } = arrow.dataset;
    const shown = flow != null && Math.abs(flow) >= IDLE_KW;
    arrow.setAttribute("d", !shown ? "" : flow > 0 ? `M${x} ${y}l12-6v12z` : `M${Number(x) + 12} ${y}l-12-6v12z`);
  }
  for (const box of all("[data-switch]")) {
    const closed = value(box.dataset.switch);
    box.setAttribute("class", closed === 1 ? "closed" : "open");
  }
}

const BANDS = {
  coolant: (d) => ({ value: value(`${d}:coolant_supply_c`), low: 0, high: 40, band: near(value(`${d}:coolant_setpoint_c`), 3), setpoint: value(`${d}:coolant_setpoint_c`) }),
  hydrogen: (d) => ({ value: value(`${d}:hydrogen_ppm`), low: 0, high: 400, band: [0, 100] }),
  insulation: (d) => ({ value: least(d), low: 0, high: 5000, band: [1000, 5000] }),
  cycle: (d) => ({ value: value(`${d}:cycle_ms`), low: 0, high: 1000, band: [0, 500] }),
};
const near = (v, half) => (v == null ? undefined : [v - half, v + half]);
const least = (d) => {
  const poles = ["positive", "negative"].map((p) => value(`${d}:resistance_${p}_kohm`)).filter((v) => v != null);
  return poles.length ? Math.min(...poles) : null;
};

function subsystems() {
  for (const bar of all("[data-band]")) {
    drawBar(bar, BANDS[bar.dataset.band](bar.dataset.of));
    bar.closest("td").classList.toggle("stale", isStale(bar.dataset.of));
  }
  for (const node of all("[data-least]")) write(node, least(node.dataset.least) == null ? "–" : FORMS.mohm(least(node.dataset.least)));
}

one("#range").addEventListener("click", (event) => {
  const button = event.target.closest("[data-range]");
  if (!button) return;
  chosen = true;
  select(button);
  load();
});

onImage((image) => { tiles(); limits(); decided(); containers(); singleLine(); subsystems(); showStationEstimate(); grow(image); });
// A station that began to send after the page was made needs its new rows.
onImage((image) => { if (!facts.containers.length && image?.at_ms && age(controller) < 60_000) location.reload(); });
start();
if (newest()) load();
setInterval(load, RENEW_MS);
