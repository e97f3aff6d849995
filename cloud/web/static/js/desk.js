// The market desk: a bid is seen, weighed while it is typed, signed as it is seen, and followed.
import { ask, cloudNow } from "./console.js";
import { all, onTheme, one, say, write } from "./dom.js";
import { curve } from "./desk_draw.js";
import { Offers, inOrder, signed } from "./desk_model.js";
import { showRisk, showStress } from "./desk_risk.js";
import { showSign, sign } from "./desk_sign.js";
import { fan, planChart } from "./desk_time.js";
import { clock, energy, isChinese, number, readNumber } from "./format.js";
import { pageData, t } from "./words.js";

const TYPING_MS = 250;
const OVER = ["cleared", "scheduled", "delivered", "settled", "withdrawn", "lapsed"];
const facts = pageData("facts");

/** The header names the next gate that is open; the table lists them by time. */
function nextGate() {
  const name = one("[data-next]");
  const open = all("#gates [data-gate] [data-left]").find(({ dataset }) => Number(dataset.left) > cloudNow());
  if (!name || !open) return;
  write(name, open.closest("tr").cells[0].textContent);
  name.nextElementSibling.dataset.left = open.dataset.left;
}

function countdown() {
  nextGate();
  for (const place of all("[data-left]")) {
    const left = Math.floor((Number(place.dataset.left) - cloudNow()) / 1e3);
    const two = (v) => String(v).padStart(2, "0");
    const parts = left >= 3600 ? [Math.floor(left / 3600), two(Math.floor((left % 3600) / 60)), two(left % 60)] : [Math.floor(left / 60), two(left % 60)];
    if (left <= 0 && place.dataset.over) write(place.parentElement, place.dataset.over);
    else write(place, left > 0 ? parts.join(":") : t("closed"));
  }
}
countdown();
setInterval(countdown, 1_000);
document.addEventListener("htmx:afterSwap", countdown);
one("#which")?.addEventListener("change", (event) => event.target.form.requestSubmit());

/** The page of one bid. */
class Desk {
  constructor() {
    this.path = `/api/v1/stations/${encodeURIComponent(facts.station)}/bids/${facts.bid.id}`;
    this.select = one("#interval");
    this.take(facts.bid);
    this.forecast();
    this.select.addEventListener("change", () => this.show());
    new ResizeObserver(() => this.draw()).observe(one("#curve"));
    onTheme(() => this.draw());
    this.weigh();
  }

  /** Go on with the bid as it is now. */
  take(bid) {
    this.bid = bid;
    const open = bid.versions.filter(({ fallback }) => !fallback);
    this.version = open[open.length - 1] ?? bid.versions[bid.versions.length - 1];
    this.offers = new Offers(this.version, bid.interval_min);
    this.told = null;
    const at = this.select.value;
    this.fill();
    if (at) this.select.value = at;
    const plan = this.version.inputs.plan;
    if (this.showPlan) { one("#plan").replaceChildren(); }
    this.showPlan = planChart(facts, plan, this.offers, () => this.chosen);
    this.show();
    showRisk(this.version.judgement, null, facts.limits, null);
    showStress(this.version.judgement);
  }

  get closed() {
    return cloudNow() >= this.bid.gate_ms || OVER.includes(this.version.state);
  }

  fill() {
    const label = ({ start_ms: at }) => `${clock(at, facts.zone, false)}\u2013${clock(at + this.bid.interval_min * 60_000, facts.zone, false)}`;
    const { intervals } = this.offers;
    this.select.replaceChildren(...intervals.map((one_, i) => new Option(label(one_), String(i))));
    const sells = intervals.findIndex(({ segments }) => segments.some((s) => signed(s) > 0));
    const any = intervals.findIndex(({ segments }) => segments.length);
    this.select.value = String(Math.max(sells >= 0 ? sells : any, 0));
  }

  get chosen() { return this.offers.intervals[this.index].start_ms; }

  get index() { return Number(this.select.value); }

  show() {
    const { segments } = this.offers.intervals[this.index];
    const rows = inOrder(segments).map(({ segment, index }) => this.row(segment, index));
    const hold = document.createElement("tr");
    const firstSale = inOrder(segments).findIndex(({ segment }) => signed(segment) > 0);
    const rests = segments.length || this.version.intervals[this.index].segments.length ? "" : this.reason(this.index);
    hold.append(...[["\u2013", "q"], [number(0), "r w"], ["\u2013", "r w"], [rests || t("hold"), "q"]].map(([words, cls]) => Object.assign(document.createElement("td"), { textContent: words, className: cls })));
    rows.splice(firstSale < 0 ? rows.length : firstSale, 0, hold);
    one("#bands tbody").replaceChildren(...rows);
    this.totals();
  }

  row(segment, place) {
    const row = document.createElement("tr");
    const cell = (cls, content) => {
      const made = Object.assign(document.createElement("td"), { className: cls });
      made.append(content);
      return made;
    };
    row.dataset.band = String(place);
    row.classList.toggle("mod", !this.offers.same(this.index, place));
    const field = (name, value, label) => {
      const input = Object.assign(document.createElement("input"), { className: "in bin", value: value ?? "", inputMode: "decimal", autocomplete: "off", disabled: !facts.may.edit || this.closed });
      input.dataset.field = name;
      input.setAttribute("aria-label", label);
      input.addEventListener("input", () => this.typed(place, name, input, row));
      return input;
    };
    const way = { charge: t("C"), discharge: t("D"), up: t("U"), down: t("L"), both: t("B") }[segment.direction];
    const power = `${signed(segment) < 0 ? "\u2212" : ""}${segment.power_mw}`;
    row.append(
      cell("q", way),
      cell("r", field("power_mw", power, t("Power"))),
      cell("r", field("price", segment.price, t("Price"))),
      cell("q", this.why(segment, place)),
    );
    return row;
  }

  why(segment, place) {
    const was = this.version.intervals[this.index].segments[place];
    if (!this.offers.same(this.index, place)) return was ? t("set by hand; it was {power} MW at {price}", { power: number(signed(was)), price: number(was.price == null ? null : Number(was.price)) }) : t("set by hand");
    if (segment.why.startsWith("set by hand")) return t("set by hand");
    if (!isChinese) return segment.why || "\u2013";
    return this.reason(this.index) || segment.why || "\u2013";
  }

  /** Why an interval of the version is offered as it is, or why nothing is. */
  reason(index) {
    const { start_ms: at } = this.offers.intervals[index];
    return this.version.explanation.find((reason) => reason.start_ms === at)?.[isChinese ? "zh" : "en"] ?? "";
  }

  typed(place, name, input, row) {
    const free = name === "price" && input.value.trim() === "";
    const value = free ? null : readNumber(input.value);
    const wrong = !free && !Number.isFinite(value);
    input.setAttribute("aria-invalid", String(wrong));
    if (wrong) { this.told = null; return this.verdict(t("{text} is no number", { text: `"${input.value.slice(0, 20)}"` })); }
    const plain = value == null ? null : String(name === "power_mw" ? Math.abs(value) : value);
    const old = this.version.intervals[this.index].segments[place];
    // A number that is the same is written as it was: the fingerprint is over what is written.
    const kept = old && old[name] != null && plain != null && Number(old[name]) === Number(plain) ? old[name] : plain;
    this.offers.set(this.index, place, name, kept, this.handwritten(old));
    row.classList.toggle("mod", !this.offers.same(this.index, place));
    write(row.lastChild, this.why(this.offers.intervals[this.index].segments[place], place));
    this.totals();
    return this.soon();
  }

  handwritten(old) {
    return old ? `set by hand; it was ${old.power_mw} MW at ${old.price ?? "any price"}` : "set by hand";
  }

  soon() {
    this.told = null;
    this.verdict(t("is being weighed"));
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.weigh(), TYPING_MS);
  }

  async weigh() {
    this.asking?.abort();
    this.asking = new AbortController();
    const { signal } = this.asking;
    const body = { version: this.version.number, intervals: this.offers.offers };
    try {
      this.told = await ask(`${this.path}/what-if`, { method: "POST", body, signal });
    } catch (error) {
      if (error.name === "AbortError") return;
      this.told = null;
      this.verdict(t("It cannot be weighed: {reason}", { reason: error.message }));
      return;
    }
    const { judgement, histogram, days } = this.told;
    this.showFan?.(days);
    showStress(judgement);
    showRisk(judgement, this.version.judgement, facts.limits, histogram);
    write(one("[data-missed]"), this.told.missed_mwh > 0.005 ? t("{energy} MWh of it cannot be followed on an average day", { energy: number(this.told.missed_mwh) }) : "");
    this.verdict();
  }

  /** Say whether it keeps rules and limits, mark what does not, and let it be signed or not. */
  verdict(busy = "") {
    const words = (one_) => (isChinese ? one_.zh : one_.en);
    // The desk's limits first: they are few, and of many rules only some are shown.
    const broken = this.told && !this.closed ? [...this.told.judgement.breaches.map(words), ...this.told.violations.map((v) => this.placed(v))] : [];
    const { start_ms: at } = this.offers.intervals[this.index];
    if (this.told && !this.closed) {
      for (const row of all("[data-band]")) {
        const bad = this.told.violations.some((v) => v.start_ms === at && (v.segment == null || v.segment === Number(row.dataset.band)));
        for (const input of all("input", row)) input.setAttribute("aria-invalid", String(bad));
      }
    }
    const fine = this.closed ? t("The gate is closed, or the bid is over.") : t("Keeps every rule of the market and every limit of the desk");
    const place = one("[data-check]");
    write(place, busy || (broken.length ? broken.slice(0, 3).join(isChinese ? "；" : "; ") + (broken.length > 3 ? ` (+${broken.length - 3})` : "") : fine));
    place.classList.toggle("b", broken.length > 0);
    this.buttons(broken.length > 0);
  }

  placed(violation) {
    const words = isChinese ? violation.words.zh : violation.words.en;
    return violation.start_ms == null ? words : `${clock(violation.start_ms, facts.zone, false)} ${words}`;
  }

  buttons(broken) {
    const signable = ["drafted", "checked"].includes(this.version.state) || this.offers.changed > 0;
    const set = (act, off) => { const button = one(`[data-act="${act}"]`); if (button) button.disabled = off; };
    set("sign", this.closed || broken || !this.told || !signable);
    set("undo", this.offers.changed === 0);
    set("withdraw", this.closed);
    set("spread", this.closed || !this.offers.intervals[this.index].segments.length);
    for (const button of all("[data-add]")) button.disabled = this.closed || !facts.directions.includes(button.dataset.add);
  }

  totals() {
    write(one("[data-changed]"), String(this.offers.changed));
    write(one("[data-bought]"), energy(this.offers.energy(-1)));
    write(one("[data-sold]"), energy(this.offers.energy(1)));
    write(one("[data-held]"), number(Math.max(0, ...this.offers.most(1), ...this.offers.most(-1).map(Math.abs))));
    this.showPlan();
    this.showFan?.();
    this.draw();
    this.verdict(this.told ? "" : t("is being weighed"));
  }

  draw() {
    const rated = this.version.inputs.battery ? Math.max(this.version.inputs.battery.charge_mw, this.version.inputs.battery.discharge_mw) : 1;
    curve(one("#curve"), this.offers.intervals[this.index].segments, this.version.intervals[this.index].segments, rated);
    if (this.told) showRisk(this.told.judgement, this.version.judgement, facts.limits, this.told.histogram);
  }

  forecast() {
    const forecast = this.version.inputs.own_forecast ?? this.version.inputs.forecast;
    const place = one("[data-forecast]");
    if (!forecast) { write(place, t("made without a forecast")); return; }
    const number = /^ensemble\/(\d+)$/.exec(forecast.version)?.[1];
    const version = number ? t("weighted ensemble, version {n}", { n: number }) : forecast.version;
    write(place, t("{version}, known {time}", { version, time: clock(forecast.known_ms, facts.zone, false) }));
    this.showFan = fan(facts, forecast, () => this.chosen);
  }

  add(direction) {
    const battery = this.version.inputs.battery ?? {};
    const { plan } = this.version.inputs;
    const place = plan ? plan.starts_ms.indexOf(this.offers.intervals[this.index].start_ms) : -1;
    const [limit, key] = direction === "charge" ? [battery.charge_mw, "charge_below"] : [battery.discharge_mw, "discharge_above"];
    const price = plan?.[key]?.[place] ?? (direction === "charge" ? facts.floor : facts.cap);
    const power = Math.min(limit ?? 1, 1);
    this.offers.add(this.index, { direction, power_mw: power.toFixed(2), price: Number(price).toFixed(2), why: "set by hand", divisible: true });
    this.show();
    this.soon();
  }

  openSign() {
    showSign(this.offers, this.told, facts);
    const dialog = one("#sign");
    const { told, offers, bid } = this;
    one("form", dialog).reset();
    dialog.returnValue = "";
    dialog.onclose = () => { if (dialog.returnValue === "ok") this.act(() => sign(this.path, bid, offers, told, one("[name=why]", dialog).value.trim(), tell), told.may_approve ? t("Signed. It is handed to the exchange; its life is shown below.") : t("The new version is stored; a head of trading signs it.")); };
    dialog.showModal();
  }

  openWithdraw() {
    const dialog = one("#withdraw");
    one("form", dialog).reset();
    dialog.returnValue = "";
    dialog.onclose = () => { if (dialog.returnValue === "ok") this.act(() => ask(`${this.path}/withdraw`, { method: "POST", body: { why: one("[name=why]", dialog).value.trim() } }), t("The bid is withdrawn, or the exchange is asked to take it back.")); };
    dialog.showModal();
  }

  async act(work, done) {
    try {
      this.take(await work());
      tell(done);
    } catch (error) {
      tell(t("Nothing was signed: {reason}", { reason: error.message }), true);
      try { this.take(await ask(this.path)); } catch { /* the next act asks again */ }
    }
    document.body.dispatchEvent(new Event("sm:acted"));
    this.weigh();
  }
}

function tell(words, bad = false) {
  const place = one("#told");
  place.className = bad ? "msg stop" : "msg info";
  place.hidden = false;
  write(place, words);
  say(words);
}

if (facts) {
  const desk = new Desk();
  document.addEventListener("click", (event) => {
    const { act, add } = event.target.closest("[data-act], [data-add]")?.dataset ?? {};
    if (add) desk.add(add);
    if (act === "undo") { desk.offers.reset(); desk.show(); desk.soon(); }
    if (act === "spread") { desk.offers.spread(desk.index, desk.handwritten()); desk.show(); desk.soon(); }
    if (act === "sign") desk.openSign();
    if (act === "withdraw") desk.openWithdraw();
  });
  addEventListener("beforeunload", (event) => { if (desk.offers.changed) event.preventDefault(); });
}
