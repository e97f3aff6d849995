// Choosing signals: a search over tags and names of the station, and the list of what is chosen.
import { all, one, say, write } from "./dom.js";
import { tag } from "./format.js";
import { named } from "./history_signals.js";
import { MOST_SIGNALS } from "./history_state.js";
import { t } from "./words.js";

const MOST_HITS = 60;

const element = (name, facts = {}) => Object.assign(document.createElement(name), facts);

export class Picker {
  /** @param {(signals: string[]) => void} change called with the new choice */
  constructor(signals, change) {
    Object.assign(this, { signals, change, chosen: [] });
    this.search = one("#search");
    this.hits = one("#hits");
    this.search.addEventListener("input", () => this.#list());
    this.search.addEventListener("keydown", (event) => this.#fromSearch(event));
    this.hits.addEventListener("keydown", (event) => this.#walk(event));
    this.hits.addEventListener("click", (event) => this.#click(event));
    one("#chosen").addEventListener("click", (event) => {
      const { remove, beside } = event.target.closest("button")?.dataset ?? {};
      if (remove) this.#remove(remove);
      if (beside) this.change([...this.chosen, beside]);
    });
    this.#list();
  }

  /** Show what is chosen; `swatches` are the classes of their lines, by signal. */
  set(chosen, swatches) {
    this.chosen = chosen;
    write(one("[data-chosen]"), t("{n} of {most}", { n: chosen.length, most: MOST_SIGNALS }));
    one("#chosen").replaceChildren(...chosen.map((ref) => this.#row(ref, swatches.get(ref))));
    one("#full").hidden = chosen.length < MOST_SIGNALS;
    for (const button of all("[data-add]", this.hits)) this.#press(button);
  }

  #row(ref, swatch) {
    const known = this.signals.find(ref);
    const item = element("li");
    const name = known ? named(known) : ref;
    const remove = element("button", { type: "button", className: "btn quiet", textContent: t("Remove") });
    remove.dataset.remove = ref;
    remove.setAttribute("aria-label", t("Remove {signal}", { signal: name }));
    const text = element("span", { textContent: name });
    if (known?.unit) text.append(element("span", { className: "u", textContent: known.unit }));
    if (!known) text.append(" ", element("span", { className: "q", textContent: t("is not known here") }));
    item.append(element("i", { className: swatch ?? "sw none" }), text, ...this.#beside(ref, known), remove);
    return item;
  }

  // One click lays what is estimated over what the BMS says, or the other way round.
  #beside(ref, known) {
    const other = known && this.signals.counterpart(ref);
    if (!other || this.chosen.includes(other) || this.chosen.length >= MOST_SIGNALS) return [];
    const button = element("button", { type: "button", className: "btn quiet", textContent: known.estimate ? t("with the BMS") : t("with the estimate") });
    button.dataset.beside = other;
    return [button];
  }

  #remove(ref) {
    say(t("{n} of {most}", { n: this.chosen.length - 1, most: MOST_SIGNALS }));
    this.change(this.chosen.filter((other) => other !== ref));
    (one("#chosen [data-remove]") ?? this.search).focus();
  }

  #list() {
    const found = this.signals.search(this.search.value);
    const groups = [found.filter(({ entry }) => !entry.estimate), found.filter(({ entry }) => entry.estimate)];
    // Each group has its half of the list, and what the other leaves.
    const room = groups.map((_, i) => MOST_HITS - Math.min(groups[1 - i].length, MOST_HITS / 2));
    const shown = groups.map((group, i) => group.slice(0, room[i]));
    const titled = shown[1].length ? [t("Measured and set"), t("Estimated by the station")] : [];
    this.hits.replaceChildren(...shown.flatMap((group, i) => [
      ...(group.length && titled.length ? [element("li", { className: "group", textContent: titled[i] })] : []),
      ...group.map(({ entry, cell }) => this.#hit(entry, cell)),
    ]));
    const more = found.length - shown[0].length - shown[1].length;
    write(one("[data-found]"), !found.length && this.search.value ? t("No signal has these words in its tag or name.") : more > 0 ? t("{n} more: type more of the tag or the name.", { n: more }) : "");
  }

  // A cell signal has a field for the number of the cell beside it.
  #hit(entry, cell) {
    const item = element("li");
    const button = element("button", { type: "button" });
    button.dataset.add = entry.name;
    button.append(element("b", { textContent: tag(entry.device) }), ` ${entry.label}`);
    if (entry.unit) button.append(element("span", { className: "u", textContent: entry.unit }));
    item.append(button);
    if (entry.cells > 1) {
      const field = element("input", { className: "in n", inputMode: "numeric", value: String(cell ?? 1), maxLength: 4 });
      field.setAttribute("aria-label", t("Number of the cell, 1 to {n}", { n: entry.cells }));
      field.addEventListener("input", () => this.#press(button));
      field.addEventListener("keydown", (event) => { if (event.key === "Enter") button.click(); });
      item.append(field);
    }
    this.#press(button, item);
    return item;
  }

  #ref(button, item = button.parentElement) {
    const field = one("input", item);
    return field ? `${button.dataset.add}:${field.value.trim()}` : button.dataset.add;
  }

  #press(button, item) {
    button.setAttribute("aria-pressed", String(this.chosen.includes(this.#ref(button, item))));
  }

  #click(event) {
    const button = event.target.closest("[data-add]");
    if (!button) return;
    const ref = this.#ref(button);
    const field = one("input", button.parentElement);
    const known = this.signals.find(ref);
    if (field) field.setAttribute("aria-invalid", String(!known));
    if (!known) return say(t("There is no such cell."));
    if (this.chosen.includes(ref)) return this.change(this.chosen.filter((other) => other !== ref));
    if (this.chosen.length >= MOST_SIGNALS) return say(one("#full").textContent);
    this.change([...this.chosen, ref]);
  }

  #fromSearch(event) {
    const first = one("[data-add]", this.hits);
    if (event.key === "ArrowDown" && first) { event.preventDefault(); first.focus(); }
    else if (event.key === "Enter" && first && this.search.value.trim()) { event.preventDefault(); first.click(); }
    else if (event.key === "Escape" && this.search.value) { this.search.value = ""; this.#list(); }
  }

  #walk(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") this.search.focus();
    if (!step) return;
    event.preventDefault();
    const buttons = all("[data-add]", this.hits);
    const next = buttons.findIndex((button) => button.parentElement.contains(document.activeElement)) + step;
    (next < 0 ? this.search : buttons[Math.min(next, buttons.length - 1)]).focus();
  }
}
