// The worst cells of the whole station, by SOH, resistance, distance from the rack's SOC, or anomaly.
import { ask } from "./console.js";
import { all, one, say, write } from "./dom.js";
import { NO_VALUE, number, tag } from "./format.js";
import { cellName, median } from "./heatmap.js";
import { facts } from "./live.js";
import { t } from "./words.js";

const SHOWN = 20;
const AT_ONCE = 2;
// Larger is worse.
const WORSE = {
  soh: (cell) => (cell.soh == null ? null : -cell.soh),
  resistance: (cell) => cell.resistance,
  soc: (cell) => (cell.off == null ? null : Math.abs(cell.off)),
  anomaly: (cell) => cell.anomaly,
};
const MAP = { soh: "soh", resistance: "resistance", soc: "soc", anomaly: "anomaly" };

export class Worst {
  constructor(panel, racks, columnsOf, address) {
    Object.assign(this, { panel, racks, columnsOf, address, by: "soh", cells: [], done: 0, missing: [], old: [] });
    panel.addEventListener("click", (event) => {
      const by = event.target.closest("[data-sort]")?.dataset.sort;
      if (!by) return;
      this.by = by;
      this.#list();
      say(t("Sorted by {column}, the worst first.", { column: event.target.closest("th").textContent }));
    });
  }

  /** Ask for the cells of every rack, a few racks at once. */
  async load() {
    const waiting = [...this.racks];
    const next = async () => {
      for (let rack = waiting.shift(); rack; rack = waiting.shift()) await this.#rack(rack);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, next));
    this.#list();
  }

  async #rack(rack) {
    try {
      const { values, stale } = await ask(`/api/v1/stations/${facts.station}/cells/${rack}/estimates`);
      const middle = median(values.cell_soc);
      if (stale) this.old.push(rack);
      this.cells.push(...values.cell_soc.map((soc, i) => ({
        rack, i, stale, soh: values.cell_soh[i], width: values.cell_soh_half_width[i], resistance: values.cell_resistance_ratio[i],
        off: soc == null ? null : soc - middle, anomaly: values.cell_anomaly_score[i],
      })));
    } catch {
      this.missing.push(rack);
    }
    this.done += 1;
    this.#told();
  }

  #told() {
    const { racks, done, missing, old } = this;
    const parts = [done < racks.length && t("{n} of {m} racks read", { n: done, m: racks.length }), missing.length && t("{n} of {m} racks without estimates", { n: missing.length, m: racks.length }), old.length && t("{n} racks stale", { n: old.length })];
    write(one("[data-worst-told]", this.panel), parts.filter(Boolean).join(" · "));
  }

  #list() {
    const worse = WORSE[this.by];
    for (const head of all("[data-sort-of]", this.panel)) head.setAttribute("aria-sort", head.dataset.sortOf === this.by ? (this.by === "soh" ? "ascending" : "descending") : "none");
    const known = this.cells.filter((cell) => worse(cell) != null).sort((a, b) => worse(b) - worse(a)).slice(0, SHOWN);
    one("tbody", this.panel).replaceChildren(...known.map((cell) => this.#row(cell)));
  }

  #row(cell) {
    const row = document.createElement("tr");
    const link = Object.assign(document.createElement("a"), { className: "link n", href: this.address(cell.rack, MAP[this.by], cell.i + 1), textContent: `${tag(cell.rack)}.${cellName(cell.i, this.columnsOf(cell.rack))}` });
    const name = document.createElement("td");
    name.append(link);
    const figures = [
      cell.soh == null ? NO_VALUE : `${number(cell.soh * 100, 1)} ±${number(cell.width == null ? null : cell.width * 100, 1)} %`,
      cell.resistance == null ? NO_VALUE : `${number(cell.resistance * 100, 1)} %`,
      cell.off == null ? NO_VALUE : `${number(cell.off * 100, 1, true)} %`,
      number(cell.anomaly, 2),
    ];
    row.append(name, ...figures.map((textContent) => Object.assign(document.createElement("td"), { className: cell.stale ? "r stale" : "r", textContent })));
    return row;
  }
}
