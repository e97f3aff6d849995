// Health and life of a station: how racks age and when they retire, what is foreseen of their cells,
// which cells are the worst, and the anomalies with the window that shows each.
import { ask } from "./console.js";
import { drawBar, drawSpark } from "./bars.js";
import { all, one, say, write } from "./dom.js";
import { anomalyOf } from "./estimate.js";
import { NO_VALUE, day, isChinese, number, readNumber, tag } from "./format.js";
import { Anomalies } from "./health_anomalies.js";
import { Worst } from "./health_worst.js";
import { cellName, shape } from "./heatmap.js";
import { facts, isStale, onImage, start, value } from "./live.js";
import { t } from "./words.js";

const { controller, station, zone } = facts;
const racks = facts.containers.flatMap((container) => container.racks);
const LIVES_EVERY_MS = 10 * 60_000;
const SOH_SCALE = [0.6, 1];
const SETTLED = 2;
const UNKNOWN = "unknown";
// Kinds of anomaly (contract/states.py) that come before a thermal runaway.
const BEFORE_RUNAWAY = new Set([1, 4]);
const columnsOf = (rack) => shape(facts.cells[rack] ?? 1).columns;
const rackAddress = (rack, show, cell) => `/stations/${station}/racks/${rack}?show=${show}${cell >= 1 ? `&cell=${cell}` : ""}`;

let lives = null;
let asked = "";
let turn = 0;

const tiles = () => Object.fromEntries(all(".kpi").map((node, i) => [["station", "rack", "cell", "resistance", "efficiency", "anomalies"][i], node]));

/** The rack of which `signal` is lowest, among those with a fresh estimate. */
function lowest(signal) {
  return racks.reduce((best, rack) => {
    const v = isStale(rack, signal) ? null : value(`${rack}:${signal}`);
    return v != null && (best == null || v < best.v) ? { rack, v } : best;
  }, null);
}

function showTiles() {
  const { rack: ofRack, cell: ofCell, anomalies } = tiles();
  const rack = lowest("soh_estimate");
  const cell = lowest("soh_cell_min");
  const put = (tile, found) => {
    write(one(".v span", tile), found ? number(found.v * 100, 1) : NO_VALUE);
    one(".v", tile).classList.toggle("stale", !found);
  };
  put(ofRack, rack);
  put(ofCell, cell);
  const half = rack && value(`${rack.rack}:soh_half_width`);
  write(one("[data-weakest-rack]"), rack ? `${half == null ? "" : `±${number(half * 100, 1)} % · `}${tag(rack.rack)}` : NO_VALUE);
  const index = cell && value(`${cell.rack}:soh_cell_min_index`);
  write(one("[data-weakest-cell]"), cell ? `${tag(cell.rack)}.${index >= 1 ? cellName(index - 1, columnsOf(cell.rack)) : ""}` : NO_VALUE);
  const fresh = racks.filter((one_) => !isStale(one_, "anomaly_level"));
  write(one(".v span", anomalies), fresh.length ? number(fresh.filter(anomalyOf).length, 0) : NO_VALUE);
  one(".v", anomalies).classList.toggle("stale", fresh.length < racks.length);
}

function showRows() {
  for (const rack of racks) {
    const row = one(`[data-life="${rack}"]`);
    const [soh, half] = ["soh_estimate", "soh_half_width"].map((signal) => value(`${rack}:${signal}`));
    const band = soh == null || half == null ? undefined : [soh - half, soh + half];
    drawBar(one("[data-soh-bar]", row), { value: soh, low: SOH_SCALE[0], high: SOH_SCALE[1], band, limits: [lives?.rule_soh] });
    one("[data-soh-bar]", row).closest("td").classList.toggle("stale", isStale(rack, "soh_estimate"));
    const cell = value(`${rack}:soh_cell_min_index`);
    const link = one("[data-soh-cell]", row);
    write(link, cell >= 1 ? cellName(cell - 1, columnsOf(rack)) : "");
    if (cell >= 1) link.href = rackAddress(rack, "soh", cell);
  }
}

const put = (key, told) => {
  const row = one(`[data-foreseen="${key}"]`);
  for (const [part, text] of Object.entries(told)) write(one(`[data-${part}]`, row), text);
};

function foresee() {
  const settled = racks.filter((rack) => !isStale(rack, "estimator_state") && value(`${rack}:estimator_state`) === SETTLED).length;
  const [soc, half, cells] = ["soc_estimate", "soc_half_width", "cells_estimated"].map((signal) => value(`${controller}:${signal}`));
  put("state", {
    value: soc == null ? NO_VALUE : t("SOC {soc} ±{half} %, {n} cells; {settled} of {racks} racks settled", { soc: number(soc * 100, 1), half: number(half == null ? null : half * 100, 1), n: number(cells, 0), settled, racks: racks.length }),
    sure: soc == null ? NO_VALUE : t("90 % in the interval"),
    window: t("current, voltage and temperature of every second since the estimator started; its state is kept over restarts"),
  });
  runaway();
  life();
}

// The most severe anomaly that may come before a thermal runaway, with gas beside it.
function runaway() {
  const fresh = racks.filter((rack) => !isStale(rack, "anomaly_level"));
  const found = fresh.filter((rack) => anomalyOf(rack) && BEFORE_RUNAWAY.has(value(`${rack}:anomaly_kind`)));
  const worst = found.sort((a, b) => value(`${b}:anomaly_level`) - value(`${a}:anomaly_level`))[0];
  const scores = fresh.map((rack) => value(`${rack}:anomaly_score`)).filter((v) => v != null);
  const score = worst ? value(`${worst}:anomaly_score`) : scores.length ? Math.max(...scores) : null;
  const seen = t("{n} of {m} racks watched", { n: fresh.length, m: racks.length });
  put("runaway", {
    value: !fresh.length ? NO_VALUE : worst ? t("{where}: {what}", { where: tag(worst), what: anomalyOf(worst).words }) : t("no sign, {seen}", { seen }),
    sure: score == null ? NO_VALUE : t("highest score {score} of 1", { score: number(score, 2) }),
    window: t("the last 2 min, 17 min and 2.3 h of every cell against its rack"),
  });
}

function life() {
  const known = lives?.racks.filter(({ retirement }) => retirement) ?? [];
  const first = known.reduce((best, one_) => (best == null || (one_.retirement.expected_ms ?? Infinity) < (best.retirement.expected_ms ?? Infinity) ? one_ : best), null);
  const from = Math.min(...(lives?.racks ?? []).map(({ from_ms }) => from_ms ?? Infinity));
  const days = Math.max(0, ...(lives?.racks ?? []).map((one_) => one_.days));
  put("life", {
    value: lives == null ? NO_VALUE : first ? t("first {rack}: {range}", { rack: tag(first.rack), range: dates(first.retirement) }) : t("not known yet: it takes {days} days of estimates", { days: number(lives.least_days, 0) }),
    sure: first ? t("90 % in the range") : NO_VALUE,
    window: Number.isFinite(from) ? t("{days} days of SOH since {day}", { days: number(days, 0), day: day(from, zone) }) : NO_VALUE,
  });
}

const spoken = ({ en, zh }) => (isChinese ? zh : en);
const month = (at) => day(at, zone).slice(0, 7);

/** A range of dates: "2034-02 … 2037-11", open where the end is not in sight. */
function dates({ earliest_ms, expected_ms, latest_ms }) {
  if (expected_ms != null && expected_ms <= lives.now_ms) return t("now");
  if (earliest_ms == null) return t("not in sight");
  return `${month(earliest_ms)} … ${latest_ms == null ? t("not in sight") : month(latest_ms)}`;
}

function showLives() {
  write(one("[data-rule]"), spoken(lives.rule));
  for (const one_ of lives.racks) {
    const row = one(`[data-life="${one_.rack}"]`);
    if (!row) continue;
    const { per_year: pace, per_year_half_width: half } = one_;
    write(one("[data-pace]", row), pace == null ? NO_VALUE : `${number(pace * 100, 1, true)} ±${number(half * 100, 1)} %`);
    const [when, verdict] = retired(one_);
    write(one("[data-retired]", row), when);
    write(one("[data-verdict]", row), verdict);
    drawSpark(one("[data-soh-trend]", row), one_.trend);
  }
  foresee();
}

// The dates, and below them the verdict of the rule with the condition that is met first.
function retired({ verdict, verdict_words: words_, retirement, days }) {
  if (verdict === UNKNOWN) return [NO_VALUE, t("{words}: {days} of {least} days", { words: spoken(words_), days, least: number(lives.least_days, 0) })];
  return [retirement ? dates(retirement) : t("not in sight"), [spoken(words_), retirement && spoken(retirement.condition)].filter(Boolean).join(" · ")];
}

async function load() {
  const told = one("#lives-told");
  const mine = ++turn;
  try {
    const answer = await ask(`/api/v1/stations/${station}/life${asked}`);
    if (mine !== turn) return;
    lives = answer;
    told.hidden = true;
    showLives();
  } catch (error) {
    if (mine !== turn) return;
    told.hidden = false;
    write(told, t("The trends cannot be loaded: {reason}", { reason: error.message }));
  }
}

one("#rule")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = one("#rule [name=soh]");
  const percent = readNumber(field.value);
  const right = percent > 0 && percent < 100;
  field.setAttribute("aria-invalid", String(!right));
  one("#rule-wrong").hidden = right;
  write(one("#rule-wrong"), right ? "" : t("Write a SOH between 0 and 100 %."));
  if (!right) return;
  asked = `?retired_at=${percent / 100}`;
  await load();
  showRows();
  say(one("[data-rule]").textContent);
});

if (one("#lives")) {
  const worst = new Worst(one("#worst"), columnsOf, rackAddress);
  const anomalies = new Anomalies(racks, columnsOf, rackAddress);
  onImage(() => { showTiles(); showRows(); foresee(); anomalies.live(); });
  start();
  load();
  worst.load();
  anomalies.load();
  setInterval(load, LIVES_EVERY_MS);
} else start();
