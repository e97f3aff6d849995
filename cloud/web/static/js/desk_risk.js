// The panel of risk: each figure with its limit, what it was before the edit, and the histogram.
import { all, one, write } from "./dom.js";
import { bar, histogram } from "./desk_draw.js";
import { number, sum } from "./format.js";
import { t } from "./words.js";

const LIMITS = { var: "max_var", cvar: "max_cvar", worst: "max_worst", power_mw: "max_power_mw" };
const shown = (key, value) => (key === "power_mw" ? number(value, 2) : sum(value));

const approvers = {
  rule: () => t("A rule of the desk approves this by itself."),
  trader: () => t("One trader is enough to sign this."),
  head_trader: () => t("A head of trading signs this: it is above what a trader may."),
};

/** Who signs it; what breaks a rule or a limit nobody can. */
const signer = ({ approver, violations, breaches }) => (violations.length + breaches.length ? t("Nobody can sign this: it breaks a rule of the market or a limit of the desk.") : approvers[approver]());

/** Show a judgement, with the figures of the version beside it where they differ. */
export function showRisk(judgement, before, limits, told) {
  for (const row of all("[data-risk]")) {
    const key = row.dataset.risk;
    const value = judgement?.figures[key] ?? null;
    const limit = limits[LIMITS[key]] ?? null;
    const was = before?.figures[key] ?? null;
    write(one("[data-value]", row), shown(key, value));
    write(one("[data-limit]", row), limit == null ? t("no limit") : t("limit {value}", { value: shown(key, limit) }));
    const moved = was != null && value != null && shown(key, was) !== shown(key, value);
    write(one("[data-was]", row), moved ? t("was {value}", { value: shown(key, was) }) : "");
    row.classList.toggle("over", limit != null && value != null && value > limit);
    bar(one(".ab", row), value, limit);
  }
  write(one("[data-left-how]"), told ? leftWords(judgement.figures) : "");
  const { var: varLoss, cvar: cvarLoss } = judgement?.figures ?? {};
  histogram(one("#hist"), told, [["VaR 95 %", varLoss], ["CVaR 95 %", cvarLoss]], weighed(judgement) ? t("Nothing to weigh: no price of energy moves it.") : t("Without a forecast nothing can be weighed."));
  write(one("[data-approver]"), judgement ? signer(judgement) : t("Not weighed yet."));
}

/** How the worth of what is left in store comes about. */
function leftWords(figures) {
  if (figures.left_price == null) return t("Energy left in store is not counted: the bid brings no plan that says what it is worth.");
  const told = { energy: number(Math.abs(figures.left_mwh)), price: number(figures.left_price) };
  if (figures.left_mwh < 0) return t("{energy} MWh less in the cells when the bid's time ends than without this bid, at {price} per MWh: what the plan that the bid was made by makes of one more MWh then. VaR, CVaR and stressed days count it too.", told);
  return t("{energy} MWh more in the cells when the bid's time ends than without this bid, at {price} per MWh: what the plan that the bid was made by makes of one more MWh then. VaR, CVaR and stressed days count it too.", told);
}

/** Whether prices were drawn for it, or need not be: power held ready, and a bid without offers. */
const weighed = (judgement) => judgement?.figures.cvar != null;

/** Show what stressed days make of the offers: as they were checked, or as they are typed. */
export function showStress(judgement) {
  const cases = judgement?.stress ?? [];
  const zh = document.documentElement.lang.startsWith("zh");
  const rows = cases.map((each) => {
    const row = document.createElement("tr");
    row.dataset.case = each.name;
    for (const [cls, words] of [["q", zh ? each.words.zh : each.words.en], ["r n", sum(each.revenue)], ["r n", number(each.missed_mwh)]]) {
      row.append(Object.assign(document.createElement("td"), { className: cls, textContent: words }));
    }
    return row;
  });
  const none = document.createElement("tr");
  none.append(Object.assign(document.createElement("td"), { colSpan: 3, className: "q", textContent: weighed(judgement) ? t("There is nothing to weigh: no price of energy moves what is offered.") : t("Without a forecast nothing can be weighed.") }));
  one("#stress tbody")?.replaceChildren(...(rows.length ? rows : [none]));
}
