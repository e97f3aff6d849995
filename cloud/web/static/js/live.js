// Live values: one stream for the page, written into [data-point] cells once a second.
// A value that grows older than its limit turns stale by itself, also when nothing arrives any more.
import { cloudNow, sessionEnded, setCloudNow } from "./console.js";
import { all, one, write } from "./dom.js";
import { clock, FORMS, NO_VALUE, span } from "./format.js";
import { pageData, t } from "./words.js";

const SILENCE_MS = 4_000;

export const facts = pageData("facts");
let image = pageData("live");
let heardAt = performance.now();
let connected = true;
const listeners = new Set();
const cells = all("[data-point]").filter((node) => node.dataset.point).map((node) => {
  const [device, signal] = node.dataset.point.split(":");
  return { node, point: node.dataset.point, device, signal, form: node.dataset.as, box: staleBox(node) };
});

// What is hatched when the value is old: the table cell or the tile's value, or the text itself.
function staleBox(node) {
  return node.closest("td, .v, dd") ?? node;
}

/** Newest value of "DEVICE:signal", or null. */
export const value = (point) => image?.points[point] ?? null;

/** Newest image. */
export const newest = () => image;

const estimates = new Set(facts.estimates);

/** Age in ms of what a device says, or of its `signal` that the station estimates; Infinity: none. */
export function age(device, signal = "") {
  const at = (estimates.has(signal) ? image?.estimates_ms : image?.times_ms)?.[device];
  return at == null ? Infinity : cloudNow() - at;
}

/** Whether the values of a device, or one of its signals, are too old to be believed. */
export const isStale = (device, signal = "") => age(device, signal) > facts.stale_after_ms;

const racks = (facts?.containers ?? []).flatMap((container) => container.racks).sort();

/** The tag of a rack that the station names by its number: from 1, in the order of the tags. */
export const rackOf = (number) => (number >= 1 ? racks[number - 1] : undefined);

/** Words of a state signal's value. */
export function words(signal, state) {
  if (state == null) return NO_VALUE;
  return facts.states[signal]?.[String(Math.round(state))] ?? String(state);
}

/** Words of the bits that are set, or `none` where there are none. */
export function bitWords(signal, bits, none = t("none")) {
  if (bits == null) return NO_VALUE;
  const names = Object.entries(facts.states[signal] ?? {}).filter(([bit]) => (Math.trunc(bits) >>> Number(bit)) & 1);
  return names.length ? names.map(([, name]) => name).join(", ") : none;
}

/** Call `paint` after every image and every second. */
export function onImage(paint) {
  listeners.add(paint);
}

function show(point, signal, form) {
  const found = value(point);
  if (form === "words") return words(signal, found);
  return found == null ? NO_VALUE : FORMS[form](found);
}

function paint() {
  for (const { node, point, device, signal, form, box } of cells) {
    write(node, show(point, signal, form));
    box.classList.toggle("stale", isStale(device, signal));
  }
  for (const node of all("[data-bits]")) {
    const [device, signal] = node.dataset.bits.split(":");
    write(node, bitWords(signal, value(node.dataset.bits), node.dataset.none));
    node.classList.toggle("stale", isStale(device));
  }
  link();
  for (const listener of listeners) listener(image);
}

function link() {
  const received = image?.received_ms;
  const down = received != null && cloudNow() - received > facts.link_limit_ms;
  const silent = !connected || performance.now() - heardAt > SILENCE_MS;
  const at = image?.at_ms;
  for (const node of all("[data-age]")) {
    write(node, at == null ? NO_VALUE : span((cloudNow() - at) / 1e3));
    node.closest(".v")?.classList.toggle("stale", down || silent);
  }
  for (const node of all("[data-link]")) {
    write(node, received == null ? t("no data yet") : down ? t("link lost since {time}", { time: clock(received, facts.zone) }) : t("link up"));
    node.classList.toggle("b", down);
  }
  tell(silent, down, received);
}

function tell(silent, down, received) {
  const place = one("#lost");
  if (!place || place.dataset.ended) return;
  place.hidden = !silent && !down;
  if (silent) write(place, t("The page has lost its connection to the cloud. Values are as of {time}; it tries again by itself.", { time: received ? clock(received, facts.zone) : NO_VALUE }));
  else if (down) write(place, t("Link to the station lost. Last data at {time}, {age} ago. The station works on by itself with its last schedule.", { time: clock(received, facts.zone), age: span((cloudNow() - received) / 1e3) }));
}

function heard(nowMs) {
  heardAt = performance.now();
  connected = true;
  setCloudNow(nowMs);
}

function open() {
  const source = new EventSource(`/api/v1/stations/${encodeURIComponent(facts.station)}/stream`);
  source.addEventListener("live", (event) => {
    image = JSON.parse(event.data);
    heard(image.now_ms);
    requestAnimationFrame(paint);
  });
  source.addEventListener("pulse", (event) => heard(JSON.parse(event.data).now_ms));
  source.addEventListener("alarms", () => document.body.dispatchEvent(new Event("sm:alarms")));
  source.addEventListener("signed_out", () => { source.close(); sessionEnded(); });
  source.addEventListener("error", () => { connected = false; });
  addEventListener("pagehide", () => source.close());
}

/** Start the stream and the ageing of what is shown. */
export function start() {
  if (image) setCloudNow(image.now_ms);
  paint();
  open();
  setInterval(paint, 1000);
}
