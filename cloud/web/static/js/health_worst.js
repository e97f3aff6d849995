// The worst cells of the whole station, by SOH, resistance, distance from the rack's SOC, or anomaly.
import { ask } from "./console.js";
import { all, one, say, write } from "./dom.js";
import { NO_VALUE, number, tag } from "./format.js";
import { cellName } from "./heatmap.js";
import { facts } from "./live.js";
import { t } from "./words.js";

const EVERY_MS = 60_000;
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
      one("tbody", this.panel).replaceChildren(...answer.cells.map((cell) => this.#row(cell)));
      const missing = answer.racks_without.length;
      write(one("[data-worst-told]", this.panel), missing ? t("{n} of {m} racks without estimates", { n: missing, m: answer.racks + missing }) : "");
    } catch (error) {
      if (mine === this.asked) write(one("[data-worst-told]", this.panel), t("The cells cannot be loaded: {reason}", { reason: error.message }));
    }
  }

  #row({ rack, cell, stale, soh, soh_half_width: half, resistance_ratio: ratio, soc_off: off, anomaly_score: score }) {
    const row = document.createElement("tr");
    const name = document.createElement("td");
    const textContent = `${tag(rack)}.${cellName(cell - 1, this.columnsOf(rack))}`;
    name.append(Object.assign(document.createElement("a"), { className: "link n", href: this.address(rack, this.by, cell), textContent }));
    const known = soh == null ? NO_VALUE : `${number(soh * 100, 1)}${half == null ? "" : ` ±${number(half * 100, 1)}`} %`;
    const figures = [known, percent(ratio), percent(off, true), number(score, 2)];
    row.append(name, ...figures.map((text) => Object.assign(document.createElement("td"), { className: stale ? "r stale" : "r", textContent: text })));
    return row;
  }
}
