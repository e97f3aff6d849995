// The panel of risk: each figure with its limit, what it was before the edit, and the histogram.
import { all, one, write } from "./dom.js";
import { bar, histogram } from "./desk_draw.js";
import { number } from "./format.js";
import { t } from "./words.js";

const LIMITS = { var: "max_var", cvar: "max_cvar", worst: "max_worst", power_mw: "max_power_mw" };
const digits = (key) => (key === "power_mw" ? 2 : 0);

const approvers = {
  rule: () => t("A rule of the desk approves this by itself."),
  trader: () => t("One trader is enough to sign this."),
  head_trader: () => t("A head of trading signs this: it is above what a trader may."),
};

/** Show a judgement, with the figures of the version beside it where they differ. */
export function showRisk(judgement, before, limits, told) {
  for (const row of all("[data-risk]")) {
    const key = row.dataset.risk;
    const value = judgement?.figures[key] ?? null;
    const limit = limits[LIMITS[key]] ?? null;
    const was = before?.figures[key] ?? null;
    write(one("[data-value]", row), number(value, digits(key)));
    write(one("[data-limit]", row), limit == null ? t("no limit") : t("limit {value}", { value: number(limit, digits(key)) }));
    const moved = was != null && value != null && Math.abs(was - value) >= 10 ** -digits(key) / 2;
    write(one("[data-was]", row), moved ? t("was {value}", { value: number(was, digits(key)) }) : "");
    row.classList.toggle("over", limit != null && value != null && value > limit);
    bar(one(".ab", row), value, limit);
  }
  const { var: varLoss, cvar: cvarLoss } = judgement?.figures ?? {};
  histogram(one("#hist"), told, [["VaR 95 %", varLoss], ["CVaR 95 %", cvarLoss]], t("Without a forecast nothing can be weighed."));
  write(one("[data-approver]"), judgement ? approvers[judgement.approver]() : t("Not weighed yet."));
}

/** Show what stressed days make of the offers as they are typed. */
export function showStress(cases) {
  const zh = document.documentElement.lang.startsWith("zh");
  const rows = cases.map((each) => {
    const row = document.createElement("tr");
    row.dataset.case = each.name;
    for (const [cls, words] of [["q", zh ? each.words.zh : each.words.en], ["r n", number(each.revenue, 0)], ["r n", number(each.missed_mwh)]]) {
      row.append(Object.assign(document.createElement("td"), { className: cls, textContent: words }));
    }
    return row;
  });
  const none = document.createElement("tr");
  none.append(Object.assign(document.createElement("td"), { colSpan: 3, className: "q", textContent: t("There is nothing to weigh: no price of energy moves what is offered.") }));
  one("#stress tbody")?.replaceChildren(...(rows.length ? rows : [none]));
}
