// Reset at the station: a person orders it, then its receipt tells what became of the order. Each order
// has a line on the page; every step of it is said in the polite live region.
import { openDialog, rule } from "./alarms_acts.js";
import { ask } from "./console.js";
import { one, say, write } from "./dom.js";
import { language, sentences, t } from "./words.js";

const WHOLE = "station";
const ASK_EVERY_MS = 1_000;
const ASK_FOR_MS = 20_000;
const ORDERS_ASKED = 20;
const LINES = 3;
const BAD = new Set(["refused", "failed"]);

// What a station says beside the reason's code; the code alone would not tell what to do.
const SAID = [
  [/cannot be seen whether the cause is gone/, () => t("It cannot be seen whether the cause is gone: see that its device is measured again.")],
  [/must be reset by its own name/, () => t("What is left is reset at its own device: open the alarm of that device.")],
  [/nothing is latched at/, () => t("Nothing is latched there: open the alarm that waits for reset.")],
];

/** Ask for a reason, then order the station of this alarm to reset what the alarm is about. */
export function openReset(detail) {
  const { station, target } = detail.dataset;
  const dialog = one("#station-reset");
  const { reason } = dialog.querySelector("form").elements;
  write(one("[data-what]", dialog), what(target));
  openDialog(dialog, [detail], () => order(station, target, reason.value.trim()));
}

const what = (target) => (target === WHOLE ? t("everything in the station that may be reset together") : target);

async function order(station, target, reason) {
  const tell = line();
  const path = `/api/v1/stations/${encodeURIComponent(station)}`;
  let sent;
  try {
    sent = await ask(`${path}/control/reset`, { method: "POST", body: { target, reason } });
  } catch (error) {
    tell(sentences(t("The order was not sent."), rule(error.answer ?? error)), true);
    return;
  }
  const facts = { n: sent.counter, target: what(target) };
  tell(t("Order {n} was sent: reset {target}. The station's receipt is awaited.", facts));
  const receipt = await received(path, sent.id);
  if (!receipt) tell(t("Order {n}: no receipt yet. It comes when the station is in reach; the station page shows it.", facts), true);
  else if (BAD.has(receipt.outcome)) tell(sentences(t("Order {n}: the station refused to reset {target}.", facts), why(receipt)), true);
  else tell(t("Order {n}: the station accepted it, {target} is reset.", facts));
  document.body.dispatchEvent(new Event("sm:acted"));
}

// The newest receipt of an order; null when none has come in time. A question that fails is asked again.
async function received(path, id) {
  const begun = performance.now();
  while (performance.now() - begun < ASK_FOR_MS) {
    try {
      const { orders } = await ask(`${path}/orders?limit=${ORDERS_ASKED}`);
      const found = orders.find(({ id: own }) => own === id)?.receipt;
      if (found) return found;
    } catch (error) {
      if (error.status === 401) return null;
    }
    await new Promise((go) => { setTimeout(go, ASK_EVERY_MS); });
  }
  return null;
}

function why(receipt) {
  const said = SAID.find(([pattern]) => pattern.test(receipt.reason));
  if (said) return said[1]();
  const words = language.startsWith("zh") ? receipt.reason_zh : receipt.reason_en;
  return t("Reason: {reason}.", { reason: words });
}

// A line of the page for one order; returns what writes and says its words.
function line() {
  const place = one("#orders");
  const node = document.createElement("p");
  place.prepend(node);
  while (place.childElementCount > LINES) place.lastElementChild.remove();
  return (words, bad = false) => {
    node.className = bad ? "msg stop" : "msg info";
    write(node, words);
    say(words);
  };
}
