// The history page: signals of a station over any range, as its address says.
import { ask, cloudNow } from "./console.js";
import { all, one, press, say, write } from "./dom.js";
import { number } from "./format.js";
import { HistoryChart, axisWidth } from "./history_chart.js";
import { byAxis, rowOf, summary, withInterval } from "./history_data.js";
import { energyResolution, showEnergy } from "./history_energy.js";
import { Events } from "./history_events.js";
import { told } from "./history_legend.js";
import { pen } from "./history_pens.js";
import { Picker } from "./history_picker.js";
import { Signals, named } from "./history_signals.js";
import { moved, opened, readState, windowOf, writeState } from "./history_state.js";
import { RESOLUTION, TIER, gone, refusal } from "./history_words.js";
import { facts, start } from "./live.js";
import { sentences, t } from "./words.js";
import { readTime, showTime } from "./zone.js";

const { zone } = facts;
const RENEW_MS = 60_000;
const SLOW_MS = 500;
// Points of one signal that a chart can show; the query takes the finest resolution that fits.
const POINTS = 6_000;
const CELL_AUTO_MS = 62 * 86_400_000;
const EVENT_MS = 30 * 60_000;
const FORMATS = ["csv", "parquet", "arrow", "json"];

let state = readState(location.search, facts.usual);
let signals = null;
let picker = null;
let charts = [];
let shape = "";
let asked = 0;
let running = null;
let shown = null;
let swatches = new Map();
let own = false;

const events = new Events(facts.station, zone, (at) => go({ range: null, from: at - EVENT_MS, to: at + EVENT_MS }, true));
const bounds = () => windowOf(state, cloudNow(), signals?.firstMs);

function go(change, zoomed = false) {
  state = { ...state, ...change };
  history.pushState({ zoomed }, "", writeState(state));
  own = true;
  follow();
}

// What else knows the address: the forms that come back here, the controls, the choice.
function follow() {
  for (const back of all('input[name="back"]')) back.value = location.pathname + location.search;
  press(one("#range"), one(`#range [data-range="${state.range}"]`));
  one("#resolution").value = state.resolution;
  fields();
  picker?.set(state.signals, swatches);
  load();
}

function fields() {
  const [from, to] = bounds();
  for (const [name, at] of [["from", from], ["to", to]]) {
    const field = one(`#between [name="${name}"]`);
    if (document.activeElement !== field) field.value = showTime(at, zone);
    field.setAttribute("aria-invalid", "false");
  }
  wrong("");
}

// Cells have no buckets longer than quarter hours.
function wanted([from, to]) {
  const cells = state.signals.some((ref) => ref.split(":").length > 2);
  return state.resolution === "auto" && cells && to - from > CELL_AUTO_MS ? "15min" : state.resolution;
}

function query([from, to], resolution, names) {
  const asking = new URLSearchParams({ station: facts.station, from, to, resolution, tz: zone });
  if (resolution === "auto") asking.set("max_points", POINTS * names.length);
  for (const name of names) asking.append("signal", name);
  return asking;
}

async function load() {
  const mine = ++asked;
  running?.abort();
  running = new AbortController();
  const { signal } = running;
  const span = bounds();
  const slow = setTimeout(() => { old(true); write(one("[data-told]"), t("Loading…")); }, SLOW_MS);
  const unknown = signals ? state.signals.filter((ref) => !signals.find(ref)) : [];
  events.load(...span).catch((error) => write(one("[data-events-told]"), t("The events cannot be loaded: {reason}", { reason: error.message })));
  try {
    const names = state.signals.filter((ref) => !unknown.includes(ref));
    const widths = [...new Set(names.map((ref) => signals.widthOf(ref)).filter((ref) => ref && !names.includes(ref)))];
    const answer = names.length ? await ask(`/api/v1/series?${query(span, wanted(span), [...names, ...widths])}`, { signal }) : null;
    if (mine !== asked) return;
    show(answer, span, unknown);
    energy(answer, span, signal, mine);
    old(false);
  } catch (error) {
    if (mine !== asked || error.name === "AbortError") return;
    refuse(error, span);
  } finally {
    clearTimeout(slow);
    if (mine === asked) tellShown();
  }
}

function show(answer, span, unknown) {
  const rows = answer ? rowsOf(answer) : [];
  shown = { answer, span, rows };
  const groups = byAxis(rows);
  draw(groups, span, answer?.resolution);
  numbers(groups);
  downloads(span, answer?.resolution);
  const damaged = answer?.damaged ?? [];
  trouble(sentences(
    unknown.length && t("This station has no signal {signal}. Remove it and choose another.", { signal: unknown.join(", ") }),
    damaged.length && t("Damaged in the store and left out: {n}. An administrator restores them from a backup or an archive.", { n: damaged.length }),
  ), damaged.join("\n"));
  const missing = gone(answer?.notes ?? [], zone);
  one("#gone").hidden = !missing;
  write(one("[data-gone]"), missing);
  empty(rows, missing);
}

// The rows that were chosen; half widths that came with them are the bands of theirs.
function rowsOf({ series, resolution }) {
  const answers = new Map(series.map((one_) => [one_.signal, one_]));
  return series.filter((one_) => state.signals.includes(one_.signal)).map((one_) => {
    const row = rowOf(one_, signals.find(one_.signal), resolution);
    const width = signals.widthOf(one_.signal);
    return width ? withInterval(row, answers.get(width)) : row;
  });
}

function draw(groups, [from, to], resolution) {
  one("#of-interval").hidden = !groups.some(({ rows }) => rows.some(({ halves }) => halves));
  const now = JSON.stringify([groups.map(({ axis, rows }) => [axis, rows.map(({ known }) => known.ref)]), resolution === "raw"]);
  if (now !== shape) {
    for (const chart of charts) chart.destroy();
    const axisRem = axisWidth(groups);
    const tall = groups.length < 2 ? "h20" : groups.length < 3 ? "h14" : "h12";
    charts = groups.map((group) => new HistoryChart(one("#charts"), group, { zone, axisRem, tall, open, out, closer, walk, mark, resized }));
    shape = now;
  }
  charts.forEach((chart, i) => chart.set(from / 1e3, to / 1e3, groups[i], resolution, finding(groups[i])));
  swatches = new Map(groups.flatMap(({ rows }) => rows.map(({ known }, n) => [known.ref, pen(n).swatch])));
  picker?.set(state.signals, swatches);
  resized();
}

const resized = () => events.draw(charts[0]?.area ?? null);

const finding = ({ rows, unit }) => rows.map((row) => {
  const { least, most } = summary(row);
  return t("{signal}: {low} to {high} {unit}", { signal: named(row.known), low: told(least, row.known), high: told(most, row.known), unit });
}).join("; ");

function tellShown() {
  if (!shown?.answer) return write(one("[data-told]"), "");
  const { resolution, tiers } = shown.answer;
  const points = shown.rows.reduce((sum, row) => sum + row.points, 0);
  const parts = [!tiers.includes(resolution) && RESOLUTION[resolution], tiers.map((tier) => TIER[tier]).join(", "), t("{n} points", { n: number(points, 0) })];
  write(one("[data-told]"), parts.filter(Boolean).join(" · "));
  if (own) say(one("[data-told]").textContent);
  own = false;
  write(one('#resolution [value="auto"]'), state.resolution === "auto" ? t("Auto: {resolution}", { resolution: RESOLUTION[resolution] }) : t("Auto"));
}

// Where something is gone, that is why there is nothing: it is not said that nothing was stored.
function empty(rows, missing = "") {
  const place = one("#empty");
  const none = !missing && rows.every(({ points }) => !points);
  place.hidden = !none;
  if (!none) return;
  const first = signals?.firstMs;
  write(one("[data-empty]"), !signals?.all.length ? t("This station has sent nothing yet. Its values appear here as soon as its controller has enrolled and is linked.")
    : !state.signals.length ? t("No signal is chosen. Search by tag or name, e.g. SOC or C1-R07.")
    : sentences(t("Nothing is stored of these signals in this range."), first && t("Data of this station begin at {time}.", { time: showTime(first, zone) })));
  one('[data-act="all"]').hidden = !rows.length || state.range === "all" || !first;
}

function numbers(groups) {
  one("#numbers").hidden = !groups.length;
  one("#numbers tbody").replaceChildren(...groups.flatMap(({ rows }) => rows.map((row, n) => {
    const line = document.createElement("tr");
    const { least, mean, most, last, points } = summary(row);
    const { known } = row;
    const name = document.createElement("td");
    const analog = known.kind === "analog" || known.kind === "counter";
    name.append(Object.assign(document.createElement("i"), { className: pen(n).swatch }), named(known));
    const cells = [analog ? told(least, known) : "", analog ? told(mean, known) : "", analog ? told(most, known) : "", told(last, known), known.unit, number(points, 0)];
    line.append(name, ...cells.map((text, i) => Object.assign(document.createElement("td"), { textContent: text, className: i === 4 ? "u" : "r" })));
    return line;
  })));
}

function downloads(span, resolution) {
  const names = shown?.answer?.series.map((one_) => one_.signal) ?? state.signals;
  for (const format of FORMATS) {
    const link = one(`#downloads [data-format="${format}"]`);
    const asking = query(span, resolution ?? state.resolution, names);
    asking.delete("max_points");
    asking.set("format", format);
    if (names.length) link.href = `/api/v1/series?${asking}`; else link.removeAttribute("href");
    link.download = `${facts.station}-${span[0]}-${span[1]}.${format}`;
  }
}

async function energy(answer, span, signal, mine) {
  const flowing = (answer?.series ?? []).filter((one_) => signals.find(one_.signal).flows);
  const resolution = energyResolution(span[1] - span[0], answer?.resolution);
  const ready = !flowing.length || resolution === answer.resolution;
  try {
    const series = ready ? flowing : (await ask(`/api/v1/series?${query(span, resolution, flowing.map((one_) => one_.signal))}`, { signal })).series;
    if (mine === asked) showEnergy(series.map((one_) => ({ known: signals.find(one_.signal), series: one_ })), resolution, zone);
  } catch (error) {
    if (mine === asked && error.name !== "AbortError") trouble(refusal(error, state, span), error.message, passing(error));
  }
}

// What was shown stays, visibly old.
const old = (yes) => { for (const part of ["#charts", "#numbers", "#energy"]) one(part).classList.toggle("old", yes); };

function refuse(error, span) {
  old(true);
  events.draw(null);
  trouble(refusal(error, state, span), error.answer?.message ?? error.message, passing(error));
  if (shown === null) empty([]);
  shown = shown && { ...shown, answer: null };
  downloads(span, null);
}

// Asking again helps where the question was right and the cloud could not answer.
const passing = ({ status }) => status === undefined || status >= 500;

function trouble(words_, detail = "", again = false) {
  const place = one("#trouble");
  one('[data-act="again"]').hidden = !again;
  place.hidden = !words_;
  place.title = detail;
  write(one("[data-trouble]"), words_);
}

// A range is opened by dragging and left again by a double click: the way back is the browser's own.
const open = (from, to) => {
  const [start_, end] = opened(from * 1e3, to * 1e3);
  go({ range: null, from: start_, to: end }, true);
};
const out = (at) => {
  if (at == null && history.state?.zoomed) return history.back();
  move("out", at ?? undefined);
};
const closer = (at) => move("in", at);
const walk = (left) => { for (const { plot } of charts) plot.setCursor({ left, top: 10 }); };
const mark = (left, width) => { for (const chart of charts) chart.mark(left, width); };

function move(way, atS) {
  const [from, to] = moved(bounds(), way, cloudNow(), atS === undefined ? undefined : atS * 1e3);
  go({ range: null, from, to }, way === "in");
}

function wrong(words_) {
  one("#wrong").hidden = !words_;
  write(one("#wrong"), words_);
}

function between(event) {
  event.preventDefault();
  const [from, to] = ["from", "to"].map((name) => one(`#between [name="${name}"]`));
  const [start_, end] = [from, to].map((field) => readTime(field.value, zone));
  from.setAttribute("aria-invalid", String(start_ == null || (end != null && start_ >= end)));
  to.setAttribute("aria-invalid", String(end == null));
  if (start_ == null || end == null) return wrong(t("Write a time as year-month-day hour:minute, e.g. 2026-05-01 18:00."));
  if (start_ >= end) return wrong(t("The range is empty: its begin must be before its end."));
  go({ range: null, from: start_, to: end });
}

async function begin() {
  try {
    signals = new Signals(await ask(`/api/v1/stations/${encodeURIComponent(facts.station)}/signals`), [facts.controller, facts.meter]);
  } catch (error) {
    trouble(refusal(error, state, bounds()), error.message, passing(error));
    return;
  }
  trouble("");
  picker = new Picker(signals, (chosen) => go({ signals: chosen }));
  follow();
}

one("#range").addEventListener("click", (event) => {
  const button = event.target.closest("[data-range]");
  if (button) go({ range: button.dataset.range, from: null, to: null });
});
one("#move").addEventListener("click", (event) => {
  const button = event.target.closest("[data-move]");
  if (button) move(button.dataset.move);
});
one("#between").addEventListener("submit", between);
one("#resolution").addEventListener("change", (event) => go({ resolution: event.target.value }));
one('[data-act="again"]').addEventListener("click", () => { say(t("Loading…")); if (signals) load(); else begin(); });
one('[data-act="all"]').addEventListener("click", () => go({ range: "all", from: null, to: null }));
addEventListener("popstate", () => { state = readState(location.search, facts.usual); follow(); });
// A range that ends now grows; one that is being read closely stands still.
setInterval(() => { if (signals && state.range && !document.hidden) { if (!one("#between").contains(document.activeElement)) fields(); load(); } }, RENEW_MS);
start();
begin();
