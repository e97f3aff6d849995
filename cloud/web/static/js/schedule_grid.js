// The table of points: a row for each quarter of an hour, a column for each hour. A grid by keyboard:
// arrows move, Shift extends, typing edits, Delete clears, copy and paste speak the spreadsheet's form.
import { number, readNumber } from "./format.js";
import { t } from "./words.js";

const make = (kind, className, text = "") => Object.assign(document.createElement(kind), { className, textContent: text });

export class ScheduleGrid {
  /**
   * @param {HTMLElement} host
   * @param {import("./schedule_model.js").ScheduleModel} model
   * @param {{label: (i: number) => string, hour: (i: number) => string, changed: () => void, paste: (text: string, at: number) => void}} page
   */
  constructor(host, model, page) {
    Object.assign(this, { host, model, page, current: Math.min(model.start.first, model.size - 1), anchor: null, cells: [] });
    this.perHour = 60 / model.facts.interval_min;
    this.#build();
    this.#listen();
  }

  /** The selected points, in order. */
  get selection() {
    const other = this.anchor ?? this.current;
    const [from, to] = [Math.min(other, this.current), Math.max(other, this.current)];
    return Array.from({ length: to - from + 1 }, (_, k) => from + k);
  }

  /** Show the model; `check` is its own verdict. */
  show(check, nowIndex) {
    const selected = new Set(this.selection.length > 1 ? this.selection : []);
    this.cells.forEach((cell, i) => {
      const power = this.model.powers[i];
      const bad = check.broken.has(i);
      if (!cell.firstElementChild) cell.textContent = number(power, 2);
      const marks = { lock: this.model.locked(i), zero: power === 0, mod: power !== this.model.base[i], sel: selected.has(i), bad, now: i === nowIndex };
      cell.className = ["cell", ...Object.keys(marks).filter((name) => marks[name])].join(" ");
      cell.tabIndex = i === this.current ? 0 : -1;
      cell.setAttribute("aria-label", `${this.page.label(i)} ${number(power, 2)} MW`);
      cell.setAttribute("aria-invalid", String(bad));
      cell.setAttribute("aria-readonly", String(marks.lock));
      cell.setAttribute("aria-selected", String(i === this.current || marks.sel));
    });
  }

  focus(index, extend = false) {
    this.anchor = extend ? (this.anchor ?? this.current) : null;
    this.current = Math.max(0, Math.min(this.model.size - 1, index));
    this.page.changed();
    this.cells[this.current].focus();
  }

  #build() {
    const hours = Math.ceil(this.model.size / this.perHour);
    this.host.dataset.hours = String(hours);
    const row = (head, items) => {
      const line = make("div", "");
      line.setAttribute("role", "row");
      const header = make("span", "rh", head);
      header.setAttribute("role", "rowheader");
      line.append(header, ...items);
      this.host.append(line);
    };
    row("", Array.from({ length: hours }, (_, h) => {
      const head = make("span", "h", this.page.hour(h * this.perHour));
      head.setAttribute("role", "columnheader");
      return head;
    }));
    for (let k = 0; k < this.perHour; k++) {
      const minute = String(k * this.model.facts.interval_min).padStart(2, "0");
      row(`:${minute}`, Array.from({ length: hours }, (_, h) => this.#cell(h * this.perHour + k)));
    }
  }

  #cell(i) {
    const cell = make("div", "cell");
    cell.setAttribute("role", "gridcell");
    cell.dataset.i = String(i);
    this.cells[i] = cell;
    return cell;
  }

  #listen() {
    const { host } = this;
    const indexOf = (event) => event.target.closest?.("[data-i]")?.dataset.i;
    host.addEventListener("pointerdown", (event) => {
      const i = indexOf(event);
      if (i === undefined || event.target.tagName === "INPUT") return;
      event.preventDefault();
      this.focus(Number(i), event.shiftKey);
    });
    host.addEventListener("dblclick", () => this.#edit());
    host.addEventListener("keydown", (event) => this.#key(event));
    host.addEventListener("copy", (event) => {
      if (event.target.tagName === "INPUT") return;
      event.preventDefault();
      event.clipboardData.setData("text/plain", this.selection.map((i) => this.model.powers[i].toFixed(2)).join("\n"));
    });
    host.addEventListener("paste", (event) => {
      if (event.target.tagName === "INPUT") return;
      event.preventDefault();
      this.page.paste(event.clipboardData.getData("text/plain"), Math.min(...this.selection));
    });
  }

  #key(event) {
    const move = { ArrowRight: this.perHour, ArrowLeft: -this.perHour, ArrowDown: 1, ArrowUp: -1 }[event.key];
    const command = event.ctrlKey || event.metaKey;
    if (move) this.focus(this.current + move, event.shiftKey);
    else if (event.key === "Enter" || event.key === "F2") this.#edit();
    else if (event.key === "Delete" || event.key === "Backspace") this.#set(0);
    else if (event.key === "z" && command) { if (this.model.undo()) this.page.changed(); }
    else if (event.key === "a" && command) { this.anchor = 0; this.current = this.model.size - 1; this.page.changed(); }
    else if (/^[-\u22120-9.,]$/.test(event.key) && !command) this.#edit(event.key);
    else return;
    event.preventDefault();
  }

  #set(power) {
    this.model.set(this.selection, [power]);
    this.page.changed();
  }

  #edit(first) {
    const cell = this.cells[this.current];
    if (this.model.locked(this.current) || cell.firstElementChild) return;
    const input = Object.assign(make("input", "cell"), { inputMode: "decimal", value: first ?? number(this.model.powers[this.current], 2) });
    input.setAttribute("aria-label", `${this.page.label(this.current)}, ${t("MW")}`);
    cell.replaceChildren(input);
    input.focus();
    if (first === undefined) input.select();
    let over = false;
    const end = (keep, then = 0) => {
      if (over) return;
      over = true;
      const power = readNumber(input.value);
      input.remove();
      if (keep && Number.isFinite(power)) this.model.set(this.selection, [power]);
      this.page.changed();
      if (then) this.focus(this.current + then); else cell.focus();
    };
    input.addEventListener("keydown", (event) => {
      event.stopPropagation();
      const then = { Enter: 1, Tab: this.perHour }[event.key];
      if (then) { event.preventDefault(); end(true, this.selection.length > 1 ? 0 : then); }
      else if (event.key === "Escape") end(false);
    });
    input.addEventListener("blur", () => end(true));
  }
}
