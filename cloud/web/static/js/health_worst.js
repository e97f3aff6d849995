// The worst cells of the whole station, by SOH, resistance, distance from the rack's SOC, or anomaly.
import { ask } from "./console.js";
import { all, one, say, write } from "./dom.js";
import { NO_VALUE, number, tag } from "./format.js";
import { cellName } from "./heatmap.js";
import { facts } from "./live.js";
import { sentences, t } from "./words.js";

const EVERY_MS = 60_000;
// What makes an interval narrow, so that differences between cells can be seen.
const NEEDED = {
  soh: () => t("It takes full charges and deep discharges: SOH is measured between two moments near the ends of SOC."),
  resistance: () => t("It takes some full cycles under load."),
  soc: () => t("It takes a rest, or a time near full or empty, where the voltage tells SOC."),
  anomaly: () => "",
};
const percent = (share, signed = false) => (share == null ? NO_VALUE : `${number(share * 100, 1, signed)} %`);

export class Worst {
  /**
   * @param {HTMLElement} panel
   * @param {(rack: string) => number} columnsOf how many cells a pack of a rack has
   * @param {(rack: string, show: string, cell: number) => string} address of a cell on its map
   */
  constructor(panel, columnsOf, address) {
    Object.assign(this, { panel, columnsOf, address, by: "soh", asked: 0 });
    panel.addEventListener("click", (event) => {
      const by = event.target.closest("[data-sort]")?.dataset.sort;
      if (by) this.#sort(by, event.target.closest("th").textContent);
    });
    setInterval(() => this.load(), EVERY_MS);
  }

  async #sort(by, column) {
    this.by = by;
    for (const head of all("[data-sort-of]", this.panel)) head.setAttribute("aria-sort", head.dataset.sortOf !== by ? "none" : by === "soh" ? "ascending" : "descending");
    await this.load();
    say(t("Sorted by {column}, the worst first.", { column }));
  }

  /** Ask for the cells that are the worst by the chosen column. */
  async load() {
    const mine = ++this.asked;
    try {
      const answer = await ask(`/api/v1/stations/${facts.station}/worst-cells?by=${this.by}`);
      if (mine !== this.asked) return;
      this.#none(answer);
      one("tbody", this.panel).replaceChildren(...answer.cells.map((cell) => this.#row(cell)));
      const missing = answer.racks_without.length;
      write(one("[data-worst-told]", this.panel), missing ? t("{n} of {m} racks without estimates", { n: missing, m: answer.racks + missing }) : "");
    } catch (error) {
      if (mine === this.asked) write(one("[data-worst-told]", this.panel), t("The cells cannot be loaded: {reason}", { reason: error.message }));
    }
  }

  // Equal figures in some order are no list of the worst.
  #none({ standing_out: count, half_width: half, cells }) {
    const none = one("[data-none-stands-out]", this.panel);
    none.hidden = count > 0 || !cells.length;
    one("tbody", this.panel).hidden = !none.hidden;
    if (none.hidden) return;
    const told = half == null ? t("No cell stands out yet.") : t("No cell stands out yet: all lie within their intervals of ±{half} %.", { half: number(half * 100, 1) });
    write(none, sentences(told, NEEDED[this.by]()));
  }

  #row({ rack, cell, stale, soh, soh_half_width: half, resistance_ratio: ratio, soc_off: off, anomaly_score: score, stands_out: out }) {
    const row = document.createElement("tr");
    const name = document.createElement("td");
    const textContent = `${tag(rack)}.${cellName(cell - 1, this.columnsOf(rack))}`;
    name.append(Object.assign(document.createElement("a"), { className: "link n", href: this.address(rack, this.by, cell), textContent }));
    const known = soh == null ? NO_VALUE : `${number(soh * 100, 1)}${half == null ? "" : ` ±${number(half * 100, 1)}`} %`;
    const figures = [known, percent(ratio), percent(off, true), number(score, 2)];
    row.classList.toggle("q", !out);
    row.append(name, ...figures.map((text) => Object.assign(document.createElement("td"), { className: stale ? "r stale" : "r", textContent: text })));
    return row;
  }
}
