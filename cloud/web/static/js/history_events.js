// Events of the range: marks on the time axis, and a list, newest first, page by page.
import { ask } from "./console.js";
import { one, svg, write } from "./dom.js";
import { isChinese, number, tag } from "./format.js";
import { t } from "./words.js";
import { showTime, utc } from "./zone.js";

const PAGE = 200;
const MARK_PX = 20;

const element = (name, facts = {}) => Object.assign(document.createElement(name), facts);
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const words = (event) => capital(isChinese ? event.text_zh : event.text_en);

export class Events {
  /** @param {(atMs: number) => void} look called to see the time around an event */
  constructor(station, zone, look) {
    Object.assign(this, { station, zone, look, events: [], next: null, asked: 0 });
    one("#more").addEventListener("click", () => this.#more());
    one("#event-list").addEventListener("click", (event) => {
      const at = event.target.closest("[data-at]")?.dataset.at;
      if (at) this.look(Number(at));
    });
  }

  /** Ask for the events of [from, to); what is shown stays until they have come. */
  async load(from, to) {
    const mine = ++this.asked;
    const answer = await this.#ask(from, to);
    if (mine !== this.asked) return;
    Object.assign(this, { from, to, events: answer.events, next: answer.next, damaged: answer.damaged.length });
    this.#list();
    this.draw();
  }

  /** Draw the marks over the plot, which lies at [left, width] of the charts. */
  draw(area = this.area) {
    this.area = area;
    const strip = one("#marks");
    const none = !this.events.length || !area;
    strip.toggleAttribute("hidden", none);
    if (none) return;
    const [left, width] = area;
    const bins = new Map();
    for (const event of this.events) {
      const x = ((event.at_ms - this.from) / (this.to - this.from)) * width;
      const bin = Math.floor(x / MARK_PX);
      bins.set(bin, [...(bins.get(bin) ?? []), event]);
    }
    const line = svg("path", { class: "base", d: `M${left} ${MARK_PX - 0.5}h${width}` });
    strip.replaceChildren(line, ...[...bins].sort(([a], [b]) => a - b).map(([bin, own]) => this.#mark(left + bin * MARK_PX, own)));
  }

  // The most urgent of the events that lie together; information alone is a plain tick.
  #mark(x, own) {
    const worst = own.filter(({ priority }) => priority).sort((a, b) => a.priority - b.priority)[0];
    const mark = worst ? shape(worst) : svg("svg", {});
    if (!worst) mark.append(svg("path", { class: "tick", d: `M${MARK_PX / 2} 6v14` }));
    for (const [name, value] of [["x", x.toFixed(1)], ["width", MARK_PX], ["height", MARK_PX]]) mark.setAttribute(name, value);
    const title = svg("title", {});
    const first = worst ?? own[0];
    title.textContent = `${showTime(first.at_ms, this.zone, true)} ${words(first)}, ${first.device}${own.length > 1 ? ` · ${t("{n} events", { n: own.length })}` : ""}`;
    mark.append(title);
    return mark;
  }

  #ask(from, to, before = null) {
    const query = new URLSearchParams({ from, to, limit: PAGE });
    if (before) query.set("before", before);
    return ask(`/api/v1/stations/${encodeURIComponent(this.station)}/events?${query}`);
  }

  async #more() {
    const mine = this.asked;
    try {
      const answer = await this.#ask(this.from, this.to, this.next);
      if (mine !== this.asked) return;
      Object.assign(this, { events: [...this.events, ...answer.events], next: answer.next, damaged: this.damaged + answer.damaged.length });
      this.#list();
      this.draw();
    } catch (error) {
      write(one("[data-events-told]"), t("The events cannot be loaded: {reason}", { reason: error.message }));
    }
  }

  #list() {
    one("#event-list").replaceChildren(...this.events.map((event) => this.#row(event)));
    one("#more").hidden = !this.next;
    const { length } = this.events;
    write(one("[data-events-count]"), this.next ? t("the newest {n}", { n: number(length, 0) }) : number(length, 0));
    write(one("[data-events-told]"), this.damaged ? t("{n} events are damaged in the store and left out.", { n: this.damaged }) : length ? "" : t("No event in this range."));
  }

  #row(event) {
    const item = element("li");
    const mark = event.priority ? shape(event) : element("span", { className: "w", textContent: "•" });
    const text = element("span");
    const when = element("button", { type: "button", className: "link n", textContent: showTime(event.at_ms, this.zone, true).replaceAll("-", "\u2011") });
    when.dataset.at = event.at_ms;
    when.title = `${utc(event.at_ms)} · ${t("Show the time around it")}`;
    const figure = event.value == null ? "" : ` · ${number(event.value, 1)}${event.limit == null ? "" : ` / ${number(event.limit, 1)}`}`;
    text.append(element("span", { className: event.active && event.priority ? "b" : "", textContent: words(event) }), element("span", { className: "sub", textContent: `${tag(event.device)} · ${event.active ? t("appeared") : t("cleared")}${figure}` }));
    const place = element("span", { className: "sub" });
    place.append(when);
    text.append(place);
    item.append(mark, text);
    return item;
  }
}

// The mark of a priority; of an edge that cleared, its outline.
function shape({ priority, active }) {
  const mark = one("#shapes").content.querySelector(`.x${priority}`).cloneNode(true);
  if (active === false) mark.classList.add("ack");
  return mark;
}
