// Rows of the alarm list: which are chosen, moved through by keyboard, kept through every renewal.
import { all, one } from "./dom.js";

const PAGE_ROWS = 10;

export class AlarmRows {
  /**
   * @param {() => void} changed called when the current row or the choice has changed
   * @param {string} first id of the alarm that is chosen at the beginning
   */
  constructor(changed, first) {
    this.changed = changed;
    this.current = first || null;
    this.chosen = new Set(first ? [first] : []);
    this.place = 0;
    this.settle();
  }

  /** Rows that are shown. */
  get rows() { return all("#alarm-rows tbody tr"); }

  get ids() { return this.rows.map((row) => row.dataset.id); }

  get row() { return this.rows.find((row) => row.dataset.id === this.current) ?? null; }

  /** Chosen rows in their order; the current one where none is. */
  get selection() {
    const found = this.rows.filter((row) => this.chosen.has(row.dataset.id));
    return found.length || !this.row ? found : [this.row];
  }

  /** After a renewal: what is gone is no longer chosen, the focus stays at its place. */
  settle({ focus = false } = {}) {
    const { rows } = this;
    const shown = new Set(rows.map((row) => row.dataset.id));
    this.chosen = new Set([...this.chosen].filter((id) => shown.has(id)));
    const before = this.current;
    if (!shown.has(this.current)) this.current = rows[Math.min(this.place, rows.length - 1)]?.dataset.id ?? null;
    if (!this.chosen.size && this.current) this.chosen.add(this.current);
    this.#paint();
    if (focus) this.row?.focus({ preventScroll: true });
    if (before !== this.current) this.changed();
  }

  /** Take over a click on a row: alone, with Ctrl one more, with Shift all between. */
  click(row, { extend, add }) {
    const { id } = row.dataset;
    if (add) { if (!this.chosen.delete(id)) this.chosen.add(id); } else this.chosen = new Set(extend ? this.#between(this.anchor, id) : [id]);
    this.#go(id, extend);
  }

  /** A row that has come into focus by itself is the current one. */
  focused(row) {
    if (row.dataset.id === this.current) return;
    this.current = row.dataset.id;
    this.chosen = new Set([this.current]);
    this.anchor = this.current;
    this.#paint();
    this.changed();
  }

  /** Take over a key in the list; true when it was one of its own. */
  key(event) {
    const { rows } = this;
    const at = rows.indexOf(this.row);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1, PageDown: at + PAGE_ROWS, PageUp: at - PAGE_ROWS }[event.key];
    if (event.key === "a" && (event.ctrlKey || event.metaKey)) {
      this.chosen = new Set(this.ids);
      this.#paint();
      this.changed();
    } else if (event.key === " ") {
      if (this.current && !this.chosen.delete(this.current)) this.chosen.add(this.current);
      this.#paint();
      this.changed();
    } else if (to !== undefined && rows.length) {
      const id = rows[Math.max(0, Math.min(rows.length - 1, to))].dataset.id;
      this.chosen = new Set(event.shiftKey ? this.#between(this.anchor, id) : [id]);
      this.#go(id, event.shiftKey);
    } else return false;
    event.preventDefault();
    return true;
  }

  #go(id, extend) {
    this.current = id;
    if (!extend || !this.anchor) this.anchor = id;
    this.#paint();
    this.row?.focus();
    this.changed();
  }

  #between(from, to) {
    const { ids } = this;
    const [a, b] = [ids.indexOf(from), ids.indexOf(to)].sort((x, y) => x - y);
    return a < 0 ? [to] : ids.slice(a, b + 1);
  }

  #paint() {
    this.rows.forEach((row, i) => {
      const { id } = row.dataset;
      row.setAttribute("aria-selected", String(this.chosen.has(id)));
      row.tabIndex = id === this.current ? 0 : -1;
      if (id === this.current) this.place = i;
    });
    const table = one("#alarm-rows");
    if (table && !this.row && this.rows.length) this.rows[0].tabIndex = 0;
  }
}
