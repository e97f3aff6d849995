// Cells of a rack at a past time: the time stands in the address (?at=...), and one step leads back
// to live.
import { cloudNow } from "./console.js";
import { one, write } from "./dom.js";
import { sentences, t } from "./words.js";
import { readTime, showTime } from "./zone.js";

const STEP_MS = 15 * 60_000;

const shown = (atMs, zone) => showTime(atMs, zone, true).replaceAll("-", "\u2011");

export class CellsAt {
  /** @param {() => void} change called when another time, or live (`at` null), was chosen */
  constructor(zone, change) {
    Object.assign(this, { zone, change });
    this.#read();
    one("#at").addEventListener("submit", (event) => { event.preventDefault(); this.#typed(); });
    one("#at").addEventListener("click", (event) => {
      const step = event.target.closest("[data-at]")?.dataset.at;
      if (step) this.#go((this.at ?? cloudNow()) + (step === "later" ? STEP_MS : -STEP_MS));
    });
    one('[data-act="live"]').addEventListener("click", () => this.#go(null));
    addEventListener("popstate", () => { this.#read(); this.change(); });
  }

  /** Say of which time the map is; `answer` null: nothing is stored that old. */
  tell(answer) {
    if (this.wrong) return;
    const past = this.at != null;
    one("#past").hidden = !past;
    if (!past) return;
    const mean = answer?.tier === "15min";
    const [from, to] = mean ? [answer.at_ms, answer.at_ms + STEP_MS].map((at) => showTime(at, this.zone).slice(11)) : [];
    write(one("[data-past]"), !answer ? t("No cells are stored at or before {time}.", { time: shown(this.at, this.zone) }) : sentences(
      mean ? t("Cells are means of the quarter hour {from}–{to} on {date}: samples of that time are no longer kept.", { from, to, date: shown(answer.at_ms, this.zone).slice(0, 10) }) : t("Cells are of {time}.", { time: shown(answer.at_ms, this.zone) }),
      t("The rest of the page is live."),
    ));
  }

  /** [from, to, resolution] of the trend around the map, in ms; null when live. */
  around(tier) {
    if (this.at == null) return null;
    return tier === "15min" ? [this.at - 48 * STEP_MS, this.at + 48 * STEP_MS, "15min"] : [this.at - 2 * STEP_MS, this.at + 2 * STEP_MS, "raw"];
  }

  #read() {
    const at = Number(new URLSearchParams(location.search).get("at") ?? NaN);
    this.at = Number.isSafeInteger(at) && at > 0 ? at : null;
    this.#field();
  }

  #field() {
    const field = one('#at [name="at"]');
    field.value = this.at == null ? "" : showTime(this.at, this.zone);
    field.setAttribute("aria-invalid", "false");
    this.wrong = false;
  }

  #typed() {
    const field = one('#at [name="at"]');
    if (!field.value.trim()) return this.#go(null);
    const at = readTime(field.value, this.zone);
    field.setAttribute("aria-invalid", String(at == null));
    this.wrong = at == null;
    if (!this.wrong) return this.#go(at);
    one("#past").hidden = false;
    write(one("[data-past]"), t("Write a time as year-month-day hour:minute, e.g. 2026-05-01 18:00."));
  }

  // A time that is not over yet is now.
  #go(at) {
    this.at = at == null || at >= cloudNow() ? null : Math.round(at);
    history.pushState({}, "", this.at == null ? location.pathname : `?at=${this.at}`);
    for (const back of document.querySelectorAll('input[name="back"]')) back.value = location.pathname + location.search;
    this.#field();
    this.change();
  }
}
