// Times that go on by themselves: how long an alarm stands, how long is left to respond.
import { all, write } from "./dom.js";
import { cloudNow } from "./console.js";
import { span } from "./format.js";
import { t } from "./words.js";

const TICK_MS = 1_000;

/** What is left until a deadline: "3:52", "1:22:48"; how much it is overdue afterwards. */
export function left(untilMs, nowMs) {
  const s = Math.ceil((untilMs - nowMs) / 1e3);
  if (s <= 0) return t("over by {span}", { span: span(-s) });
  const two = (v) => String(v).padStart(2, "0");
  const [h, m] = [Math.floor(s / 3600), Math.floor((s % 3600) / 60)];
  return h ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
}

/** Write all of them. */
export function tick() {
  const now = cloudNow();
  for (const node of all("[data-since]")) write(node, span((Number(node.dataset.ended || now) - Number(node.dataset.since)) / 1e3));
  for (const node of all("[data-left], [data-due]")) {
    const until = Number(node.dataset.left ?? node.dataset.due);
    write(node, left(until, now));
    node.classList.toggle("over", until <= now);
  }
}

/** Write them every second. */
export function startTicking() {
  tick();
  setInterval(tick, TICK_MS);
}
