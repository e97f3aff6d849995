// The alarm page: the list by keyboard and pointer, its filter and pages, the alarm that is chosen.
import { act, named, openService, openShelve, tell } from "./alarms_acts.js";
import { RateChart } from "./alarms_rate.js";
import { openReset } from "./alarms_reset.js";
import { AlarmRows } from "./alarms_rows.js";
import { startTicking, tick } from "./alarms_time.js";
import { all, one, say, write } from "./dom.js";
import { number } from "./format.js";
import { pageData, t } from "./words.js";

const facts = pageData("facts");
const FILTER_MS = 250;
const DETAIL_MS = 120;
const RATE_EVERY_MS = 30_000;

const table = () => one("#alarm-table");
let inList = false;
const rows = new AlarmRows(choose, facts.chosen);

// The address says what is shown, so that it can be sent to a colleague and loaded again.
function address() {
  const query = new URLSearchParams({ tab: table().dataset.tab });
  const filter = one("#filter").value.trim();
  if (filter) query.set("q", filter);
  if (Number(table().dataset.page) > 1) query.set("page", table().dataset.page);
  return query;
}

function remember() {
  const query = address();
  if (rows.current) query.set("alarm", rows.current);
  history.replaceState(null, "", `/alarms?${query}`);
}

let detailLater = 0;
function choose() {
  const count = rows.chosen.size;
  for (const node of all("[data-selected]")) write(node, count > 1 ? number(count, 0) : "");
  remember();
  clearTimeout(detailLater);
  const { current } = rows;
  if (current && current !== one("#alarm-detail").dataset.id) detailLater = setTimeout(() => detail(current), DETAIL_MS);
}

// While something else is asked for, what the part renews itself with comes too late to be shown.
// Each part asks from the place that holds it: the library keeps one question waiting for each asker
// and forgets the one before, so that a part that asked for another would never be answered.
const asked = new Map();
async function instead(part, path) {
  asked.set(part, path);
  try {
    await window.htmx.ajax("GET", path, { source: one(part).parentElement, target: part, swap: "outerHTML" });
  } finally {
    if (asked.get(part) === path) asked.delete(part);
  }
}
document.addEventListener("htmx:beforeSwap", ({ detail: swap }) => {
  const path = asked.get(`#${swap.target.id}`);
  if (path && swap.pathInfo.requestPath !== path) swap.shouldSwap = false;
});

const detail = (id) => instead("#alarm-detail", `/fragments/alarms/${encodeURIComponent(id)}`);
const load = (query) => instead("#alarm-table", `/fragments/alarms?${query}`);

function page(to) {
  const query = address();
  query.set("page", to);
  return query;
}

// Counts of the tabs, and which rows of how many these are.
function frame() {
  const { counts, total, start, shown, page: at, pages } = table().dataset;
  for (const [key, count] of Object.entries(JSON.parse(counts))) write(one(`[data-count="${key}"]`), number(count, 0));
  const from = Number(start) + 1;
  write(one("[data-range]"), Number(total) ? t("{from} to {to} of {total}", { from: number(from, 0), to: number(from + Number(shown) - 1, 0), total: number(Number(total), 0) }) : "");
  one("#pager").hidden = Number(pages) < 2;
  const turns = { first: Number(at) > 1 ? 1 : null, before: Number(at) > 1 ? Number(at) - 1 : null, after: Number(at) < Number(pages) ? Number(at) + 1 : null };
  for (const [name, to] of Object.entries(turns)) {
    const link = one(`[data-turn="${name}"]`);
    if (to) link.href = `/alarms?${page(to)}`; else link.removeAttribute("href");
  }
}

const acts = {
  acknowledge: (of) => act("acknowledge", of.map(named)),
  "acknowledge-visible": () => act("acknowledge", rows.rows.filter((row) => row.dataset.open).map(named)),
  shelve: (of) => openShelve(of),
  unshelve: (of) => act("unshelve", of.map(named)),
  "out-of-service": (of) => openService(of, "out-of-service"),
  "in-service": (of) => openService(of, "in-service"),
  reset: (of) => act("reset", of.map(named)),
  "station-reset": ([detail]) => openReset(detail),
};

// A button of the detail concerns the alarm shown there, one of the list what is chosen.
function run(name, button) {
  if (!acts[name]) return;
  const own = button?.dataset.one ? [one("#alarm-detail")] : rows.selection;
  if (!own.length && name !== "acknowledge-visible") tell(t("No alarm is chosen."));
  else acts[name](own);
}

const may = (name) => { const button = one(`#alarm-list [data-act="${name}"]`); return button && !button.disabled; };

function keys(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, dialog")) return;
  if (event.key === "a" && may("acknowledge")) run("acknowledge");
  else if (event.key === "s" && may("shelve")) run("shelve");
  else if (event.key === "/") one("#filter").focus();
  else return;
  event.preventDefault();
}

async function open() {
  if (!rows.current) return;
  clearTimeout(detailLater);
  if (one("#alarm-detail").dataset.id !== rows.current) await detail(rows.current);
  one("#detail-title").focus();
  one("#detail-title").scrollIntoView({ block: "nearest" });
}

document.addEventListener("click", (event) => {
  const turn = event.target.closest("[data-turn][href]");
  if (turn && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    load(new URL(turn.href).search.slice(1));
    return;
  }
  const button = event.target.closest("[data-act]");
  if (button) run(button.dataset.act, button);
  const row = event.target.closest("#alarm-rows tbody tr");
  if (row) rows.click(row, { extend: event.shiftKey, add: event.ctrlKey || event.metaKey });
});
document.addEventListener("focusin", (event) => {
  if (event.target.matches("#alarm-rows tbody tr")) rows.focused(event.target);
});
document.addEventListener("dblclick", (event) => { if (event.target.closest("#alarm-rows tbody tr")) open(); });
document.addEventListener("keydown", (event) => {
  if (event.target.closest("#alarm-rows")) {
    if (event.key === "Enter") { event.preventDefault(); open(); return; }
    if (event.key !== "a" || event.ctrlKey || event.metaKey) if (rows.key(event)) return;
  }
  keys(event);
});

let filterLater = 0;
one("#filter").addEventListener("input", () => {
  clearTimeout(filterLater);
  filterLater = setTimeout(async () => {
    const query = address();
    query.delete("page");
    await load(query);
    say(t("{n} alarms", { n: number(Number(table().dataset.total), 0) }));
  }, FILTER_MS);
});
one("#filter").addEventListener("keydown", (event) => {
  if (event.key !== "ArrowDown" && event.key !== "Enter") return;
  event.preventDefault();
  rows.row?.focus();
});

document.addEventListener("htmx:beforeSwap", () => { inList = Boolean(document.activeElement?.closest("#alarm-rows")); });
document.addEventListener("htmx:afterSwap", (event) => {
  const { id } = event.detail.elt;
  if (id === "alarm-table") {
    rows.settle({ focus: inList });
    frame();
    remember();
  }
  if (["alarm-table", "alarm-detail"].includes(id)) tick();
});

frame();
rows.settle();
choose();
startTicking();
const chart = new RateChart("rate-chart", facts);
chart.load();
setInterval(() => chart.load(), RATE_EVERY_MS);
