// Behaviour of every page: menu, theme, clock, keys, the sign of life of a person, new alarms aloud.
import { all, one, press, repaint, write } from "./dom.js";
import { clock, day } from "./format.js";
import { language, t } from "./words.js";

const ACTIVITY_EVERY_MS = 60_000;
const SHOUT_EVERY_MS = 5_000;
const KEY_WINDOW_MS = 1_200;

const csrf = one('meta[name="csrf"]').content;

/** What the cloud says of a refusal, in the page's language where it has been told in both. */
const saidIn = (content) => content?.words?.[language.startsWith("zh") ? "zh" : "en"] ?? content?.message;

/** Ask the cloud; changing requests carry the session's token. Throws with the answer's words. */
export async function ask(path, { method = "GET", body, signal } = {}) {
  const headers = {};
  if (method !== "GET") headers["X-CSRF-Token"] = csrf;
  const isFile = body instanceof Blob;
  if (body !== undefined) headers["Content-Type"] = isFile ? "application/octet-stream" : "application/json";
  const answer = await fetch(path, { method, headers, signal, body: body === undefined || isFile ? body : JSON.stringify(body) });
  const content = answer.headers.get("content-type")?.startsWith("application/json") ? await answer.json() : null;
  if (answer.status === 401) sessionEnded();
  if (!answer.ok) throw Object.assign(new Error(saidIn(content) ?? answer.statusText), { status: answer.status, answer: content });
  return content;
}

/** Tell that nobody is signed in any more; the page stays as it is, visibly old. */
export function sessionEnded() {
  const place = one("#lost");
  if (!place || place.dataset.ended) return;
  place.dataset.ended = "1";
  const link = Object.assign(document.createElement("a"), { className: "link", href: `/sign-in?back=${encodeURIComponent(location.pathname + location.search)}`, textContent: t("Sign in again") });
  const words = document.createElement("div");
  words.append(t("The session has ended. The values on this page are no longer renewed."), " ", link);
  place.replaceChildren(words);
  place.hidden = false;
}

function menu() {
  const button = one('[data-act="menu"]');
  button?.addEventListener("click", () => {
    button.setAttribute("aria-expanded", String(one("#rail").classList.toggle("open")));
  });
}

// The theme is set at once and remembered by the server, so that the next page comes in it.
function themes() {
  const form = one("form[data-themes]");
  form?.addEventListener("submit", (event) => {
    event.preventDefault();
    const button = event.submitter;
    document.documentElement.dataset.theme = button.value;
    press(form, button);
    repaint();
    const fields = new FormData(form, button);
    fetch(form.action, { method: "POST", body: new URLSearchParams(fields), redirect: "manual" });
  });
}

// Paper is white: a page of the dark theme is printed in the light one.
function paper() {
  const { dataset } = document.documentElement;
  const print = matchMedia("print");
  let chosen = null;
  const settle = () => {
    if (print.matches) chosen = dataset.theme;
    dataset.theme = print.matches ? "light" : chosen ?? dataset.theme;
    repaint();
  };
  print.addEventListener("change", settle);
  if (print.matches) settle(); // printing began before this module had come
}

let clockOffsetMs = 0;

/** The cloud's time now, epoch milliseconds. */
export const cloudNow = () => Date.now() + clockOffsetMs;

/** Take over the cloud's clock from an answer. */
export function setCloudNow(nowMs) {
  clockOffsetMs = nowMs - Date.now();
}

function startClock() {
  const place = one("[data-clock]");
  if (!place) return;
  setCloudNow(Number(place.dataset.now));
  const tick = () => {
    const now = cloudNow();
    write(one("[data-time]", place), clock(now, place.dataset.zone));
    write(one("[data-date]", place), day(now, place.dataset.zone));
    place.title = new Date(now).toISOString().slice(0, 19) + "Z";
    setTimeout(tick, 1000 - (now % 1000));
  };
  tick();
}

// g, then a letter, moves between areas; never while somebody types.
function keys() {
  let armed = -Infinity;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, dialog, [role=grid]:not([data-keys])")) return;
    if (event.key === "?") return one("#help").showModal();
    if (event.key === "g") { armed = event.timeStamp; return; }
    if (event.timeStamp - armed < KEY_WINDOW_MS) event.preventDefault();
    const station = location.pathname.match(/^\/stations\/[^/]+/)?.[0] ?? one(".rail .l2")?.getAttribute("href");
    const places = { f: "/", a: "/alarms", d: one('.rail a[href="/desk"]') && "/desk", s: station, p: station && `${station}/schedule`, h: station && `${station}/history` };
    const to = places[event.key];
    if (to && event.timeStamp - armed < KEY_WINDOW_MS) location.href = to;
    armed = -Infinity;
  });
}

// A person at the page keeps the session open; a page left alone lets it end.
function signsOfLife() {
  let told = Date.now();
  const note = () => {
    if (Date.now() - told < ACTIVITY_EVERY_MS) return;
    told = Date.now();
    ask("/api/v1/session/activity", { method: "POST" }).catch(() => {});
  };
  for (const kind of ["pointerdown", "pointermove", "keydown", "wheel"]) addEventListener(kind, note, { passive: true });
}

// The plant tree shows the most urgent priority that is open in each branch.
function plantTree({ dataset }) {
  const worst = JSON.parse(dataset.tree);
  for (const place of all(".rail [data-tree]")) {
    const priority = worst[place.dataset.tree];
    if (place.querySelector(`.x${priority}`) || (!priority && !place.firstChild)) continue;
    place.replaceChildren(...(priority ? [one("#marks-of-tree").content.querySelector(`.x${priority}`).cloneNode(true)] : []));
  }
  write(one("[data-open-alarms]"), Number(dataset.count) ? dataset.open : "");
}

// The banner renews itself; the newest alarm of priority 1 or 2 is also said, at most every 5 s: what
// comes sooner waits, and of several the newest is said.
function alarmsAloud() {
  const newest = () => Number(one("#banner")?.dataset.newest ?? 0);
  let known = newest();
  let at = -Infinity;
  let later = 0;
  const shout = () => {
    later = 0;
    const said = one("#banner")?.dataset.said;
    if (!said) return;
    at = performance.now();
    write(one("#shout"), said);
  };
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.elt.id === "banner") plantTree(event.detail.elt);
    if (newest() <= known) return;
    known = newest();
    if (!later) later = setTimeout(shout, Math.max(0, at + SHOUT_EVERY_MS - performance.now()));
  });
  document.addEventListener("htmx:responseError", (event) => {
    if (event.detail.xhr.status === 401) sessionEnded();
  });
}

menu();
themes();
paper();
startClock();
keys();
signsOfLife();
alarmsAloud();
for (const form of all("form")) form.addEventListener("submit", () => { form.dataset.sent = "1"; });
