// The legend of one axis: unit, and of each signal its swatch, its name and its value at the cursor,
// else the newest of the range.
import { write } from "./dom.js";
import { NO_VALUE, number } from "./format.js";
import { bucketName, indexAt } from "./history_data.js";
import { pen } from "./history_pens.js";
import { named } from "./history_signals.js";
import { showTime, utc } from "./zone.js";

const element = (name, className, text = "") => Object.assign(document.createElement(name), { className, textContent: text });

export class Legend {
  constructor(group, zone) {
    this.zone = zone;
    this.node = element("figcaption", "");
    this.when = element("span", "n when");
    this.items = group.rows.map(({ known }, n) => {
      const item = element("span", "item");
      const value = element("b", "n");
      const band = element("span", "n range");
      item.append(element("i", pen(n).swatch), named(known), " ", value, band);
      return { item, value, band };
    });
    const list = element("div", "legend");
    list.append(this.when, ...this.items.map(({ item }) => item));
    this.node.append(element("span", "b unit", group.unit), list);
  }

  set(group, resolution, [, to]) {
    Object.assign(this, { group, resolution, to });
    this.tell(null);
  }

  /** Show the values at `at` (seconds), or the newest ones for null. */
  tell(at) {
    if (!this.group) return;
    const places = this.group.rows.map((row) => this.#place(row, at));
    const first = places.findIndex((i) => i >= 0);
    const time = first < 0 ? null : this.group.rows[first].times[places[first]];
    write(this.when, this.#name(at, time));
    this.when.title = utc((time ?? at ?? this.to) * 1e3);
    this.group.rows.forEach(({ values, low, high, halves, known }, n) => {
      const i = places[n];
      write(this.items[n].value, i < 0 ? NO_VALUE : told(values[i], known));
      const wide = i >= 0 && low && low[i] != null && low[i] !== high[i] && known.kind !== "bits";
      if (halves) write(this.items[n].band, i >= 0 && halves[i] != null ? ` ±${number(halves[i], known.digits)}` : "");
      else write(this.items[n].band, wide ? ` ${told(low[i], known)} … ${told(high[i], known)}` : "");
    });
  }

  #place({ times, hole }, at) {
    if (at == null) return times.length - 1;
    const i = indexAt(times, at);
    return i >= 0 && at - times[i] <= hole ? i : -1;
  }

  #name(at, time) {
    if (time == null) return at == null ? "" : showTime(at * 1e3, this.zone, true).replaceAll("-", "\u2011");
    if (this.resolution === "raw") return showTime(time * 1e3, this.zone, true).replaceAll("-", "\u2011");
    return bucketName(time * 1e3, this.resolution, this.zone);
  }
}

/** A value in the words of its state, the names of its bits, or as a number. */
export function told(value, known) {
  if (value == null) return NO_VALUE;
  if (known.kind === "state") return known.words.get(Math.round(value)) ?? number(value, 0);
  if (known.kind === "bits") {
    const set = [...known.words].filter(([bit]) => (Math.trunc(value) >>> bit) & 1).map(([, word]) => word);
    return set.length ? set.join(", ") : "0";
  }
  return number(value, known.digits);
}
