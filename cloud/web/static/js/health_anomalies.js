// Anomalies that stand now and those of the last thirty days, each with the window that shows it.
import { ask, cloudNow } from "./console.js";
import { one, write } from "./dom.js";
import { anomalyOf } from "./estimate.js";
import { isChinese, number, tag } from "./format.js";
import { cellName } from "./heatmap.js";
import { facts, value } from "./live.js";
import { t } from "./words.js";
import { showTime, utc } from "./zone.js";

const DAYS = 30;
const DAY_MS = 86_400_000;
const PAGES = 5;
const PAGE = 1000;
// The longest window that a finding is made from, where it tells none; and a little of what came after.
const BEFORE_MS = 2.3 * 3_600_000;
const AFTER_MS = 10 * 60_000;
const CODE = /^anomaly\./;
// How a station tells cell and window in the text of an event: "cell 145: ... (last 138 min)".
const CELL = /\bcell (\d+)/;
const WINDOW = /\(last (\d+) min\)/;

const element = (name, given = {}) => Object.assign(document.createElement(name), given);

/** The history page with what shows an anomaly of a rack, of one cell where it is known (from 1). */
export function evidence(rack, cell, atMs, windowMs = BEFORE_MS) {
  const ofCell = cell >= 1 ? ["cell_voltage_v", "cell_temperature_c", "cell_soc", "cell_anomaly_score"].map((signal) => `${rack}:${signal}:${cell}`) : [];
  const signals = [...ofCell, ...["current_a", "cell_voltage_mean_v", "anomaly_score"].map((signal) => `${rack}:${signal}`)];
  const query = new URLSearchParams(signals.map((signal) => ["signal", signal]));
  query.set("from", Math.round(atMs - Math.max(windowMs, AFTER_MS) * 1.2));
  query.set("to", Math.round(atMs + AFTER_MS));
  return `/stations/${facts.station}/history?${query.toString().replaceAll("%3A", ":")}`;
}

export class Anomalies {
  constructor(racks, columnsOf, address) {
    Object.assign(this, { racks, columnsOf, address, past: [], shown: "" });
  }

  /** Show those that stand, by the newest image. */
  live() {
    this.#list();
  }

  /** Ask for the events of the last thirty days. */
  async load() {
    try {
      this.past = (await this.#events()).filter(({ code, active }) => active && CODE.test(code));
      this.complete = true;
    } catch (error) {
      write(one("[data-anomalies-told]"), t("The events cannot be loaded: {reason}", { reason: error.message }));
    }
    this.#list();
  }

  async #events() {
    const found = [];
    let before = null;
    for (let page = 0; page < PAGES; page++) {
      const query = new URLSearchParams({ from: Math.round(cloudNow() - DAYS * DAY_MS), to: Math.round(cloudNow()), limit: PAGE });
      if (before) query.set("before", before);
      const { events, next } = await ask(`/api/v1/stations/${facts.station}/events?${query}`);
      found.push(...events);
      if (!next) break;
      before = next;
    }
    return found;
  }

  #list() {
    const standing = this.racks.filter((rack) => anomalyOf(rack));
    const now = JSON.stringify([standing.map((rack) => [rack, anomalyOf(rack)]), this.past.map(({ id }) => id), this.complete]);
    if (now === this.shown) return;
    this.shown = now;
    one("#anomaly-list").replaceChildren(...standing.map((rack) => this.#standing(rack)), ...this.past.map((event) => this.#event(event)));
    if (this.complete) write(one("[data-anomalies-told]"), standing.length + this.past.length ? "" : t("No anomaly in the last {days} days.", { days: DAYS }));
  }

  #standing(rack) {
    const { index, words } = anomalyOf(rack);
    const name = index == null ? tag(rack) : `${tag(rack)}.${cellName(index, this.columnsOf(rack))}`;
    const score = t("score {score}", { score: number(value(`${rack}:anomaly_score`), 2) });
    return this.#item(t("now"), t("{where}: {what}", { where: name, what: words }), score, rack, index == null ? null : index + 1, cloudNow());
  }

  #event({ device, at_ms, ...event }) {
    const at = element("time", { textContent: showTime(at_ms, facts.zone).slice(5).replaceAll("-", "\u2011"), title: utc(at_ms) });
    const text = isChinese ? event.text_zh : event.text_en;
    const [cell, minutes] = [CELL, WINDOW].map((form) => Number(form.exec(event.text_en)?.[1] ?? NaN));
    return this.#item(at, t("{where}: {what}", { where: tag(device), what: text }), "", device, cell >= 1 ? cell : null, at_ms, minutes ? minutes * 60_000 : undefined);
  }

  #item(when, text, sub, rack, cell, atMs, windowMs) {
    const item = element("li", { className: "dated" });
    const body = element("div");
    const links = element("span", { className: "sub" });
    if (sub) links.append(`${sub} · `);
    links.append(element("a", { className: "link", href: evidence(rack, cell, atMs, windowMs), textContent: t("window that shows it") }));
    if (cell) links.append(" · ", element("a", { className: "link", href: this.address(rack, "anomaly", cell), textContent: t("cell on the map") }));
    body.append(element("b", { textContent: text }), links);
    item.append(typeof when === "string" ? element("span", { className: "q", textContent: when }) : when, body);
    return item;
  }
}
