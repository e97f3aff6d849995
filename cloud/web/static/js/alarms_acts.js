// What a person does to alarms: acknowledge, shelve, take out of service and back, reset. A result is
// said in the polite live region; a refusal stays on the page with its rule and its remedy.
import { ask, cloudNow } from "./console.js";
import { one, say, write } from "./dom.js";
import { clock, NO_VALUE } from "./format.js";
import { pageData, sentences, t } from "./words.js";

const facts = pageData("facts");
const MINUTE_MS = 60_000;

const done = {
  acknowledge: (n) => t("{n} acknowledged", { n }),
  shelve: (n) => t("{n} shelved", { n }),
  unshelve: (n) => t("{n} no longer shelved", { n }),
  "out-of-service": (n) => t("{n} taken out of service", { n }),
  "in-service": (n) => t("{n} back in service", { n }),
  reset: (n) => t("{n} reset", { n }),
};
const TOGETHER = new Set(["acknowledge", "reset"]);

// The rules of the cloud by their codes; each says the rule and what to do.
const RULES = {
  nothing_to_acknowledge: () => t("It has been answered already: there is nothing to acknowledge."),
  silent: () => t("It has been put aside or suppressed: it needs no answer until it comes back."),
  not_acknowledged: () => t("It is not acknowledged yet: acknowledge it first, then reset it."),
  condition_stands: () => t("Its condition still stands: find and remove the cause, then reset it."),
  not_latched: () => t("It is not latched: there is nothing to reset."),
  safety: () => t("A safety alarm cannot be shelved: it would hide a danger. Acknowledge it and act on it."),
  out_of_service: () => t("It is out of service already: see its list."),
  not_shelved: () => t("It is not shelved any more: see the active alarms."),
  in_service: () => t("It is in service already: see the active alarms."),
  come_again: () => t("It has come again since you looked: look again, then acknowledge that."),
  shelf_too_long: () => t("An alarm is shelved for at most 8 h: choose a shorter time."),
  no_reason: () => t("Write the reason: the next shift must understand it."),
  reason_too_long: () => t("The reason is too long: say it in fewer words."),
  number_of_alarms: () => t("These are too many alarms at once: choose fewer."),
  forbidden: () => t("Your role does not permit it. Ask an administrator for the role that does."),
  no_such_alarm: () => t("There is no such alarm: load the page again."),
};

/** The rule behind a refusal, in the reader's language; the cloud's own words where it is another. */
export function rule({ code, message }) {
  return RULES[code]?.() ?? message;
}

/** An alarm as an act names it: which, and the newest onset that its person has seen. */
export const named = ({ dataset }) => ({ id: Number(dataset.id), onset_ms: Number(dataset.onset) });

/** Send an act for these alarms; what became of it is told. */
export async function act(kind, alarms, body) {
  if (!alarms.length) return tell(t("No alarm is chosen."));
  const found = { done: 0, refused: [] };
  for (const request of requests(kind, alarms, body)) await send(request, found);
  const { refused } = found;
  const told = found.done ? done[kind](found.done) : t("Nothing was done");
  const why = [...new Set(refused.map(rule))];
  tell(sentences(`${told}${t(".")}`, found.done && refused.length ? t("{n} refused:", { n: refused.length }) : "", ...why), refused.length > 0);
  document.body.dispatchEvent(new Event("sm:acted"));
}

// Answers go together in one request, what has a reason goes alarm by alarm.
function requests(kind, alarms, body) {
  if (!TOGETHER.has(kind)) return alarms.map(({ id }) => [`/api/v1/alarms/${id}/${kind}`, body, 1]);
  const seen = Object.fromEntries(alarms.map(({ id, onset_ms: onset }) => [id, onset]));
  return [[`/api/v1/alarms/${kind}`, { alarms: alarms.map(({ id }) => id), seen_onset_ms: seen }, alarms.length]];
}

async function send([path, body, count], found) {
  try {
    const answer = await ask(path, { method: "POST", body });
    found.done += answer.done.length;
    found.refused.push(...Object.values(answer.refused));
  } catch (error) {
    found.refused.push(...(error.answer?.refused ? Object.values(error.answer.refused) : Array(count).fill(error.answer ?? error)));
  }
}

/** Said aloud; a refusal is shown too, until the next act. */
export function tell(words, refused = false) {
  say(words);
  const place = one("#refusal");
  if (!place) return;
  place.hidden = !refused;
  write(place, refused ? words : "");
}

/** Ask for reason and time, then shelve these rows; of safety alarms it is refused before. */
export function openShelve(rows) {
  const dialog = one("#shelve");
  const { reason, minutes } = dialog.querySelector("form").elements;
  const locked = rows.every((row) => row.dataset.safety);
  const until = () => write(one("[data-back]", dialog), locked ? NO_VALUE : clock(cloudNow() + Number(minutes.value) * MINUTE_MS, facts.zone));
  one('[data-note="usual"]', dialog).hidden = locked;
  one('[data-note="safety"]', dialog).hidden = !locked;
  for (const field of [reason, minutes, one('[value="ok"]', dialog)]) field.disabled = locked;
  minutes.onchange = until;
  openDialog(dialog, rows, (alarms) => act("shelve", alarms, { hours: Number(minutes.value) / 60, reason: reason.value.trim() }));
  until();
}

/** Ask for a reason, then take these rows' alarms out of service, or put them back. */
export function openService(rows, kind) {
  const dialog = one(`#${kind}`);
  const { reason } = dialog.querySelector("form").elements;
  openDialog(dialog, rows, (alarms) => act(kind, alarms, { reason: reason.value.trim() }));
}

/**
 * Ask for a reason: the safe button comes first and Escape leaves, only "ok" with a reason acts. What
 * it acts on is settled when it opens, whatever the list shows afterwards.
 */
export function openDialog(dialog, rows, go) {
  const form = dialog.querySelector("form");
  const wrong = one("[data-wrong]", dialog);
  const alarms = rows.map(named);
  form.reset();
  wrong.hidden = true;
  write(one("[data-of]", dialog), rows.length === 1 ? rows[0].dataset.label : t("{n} alarms", { n: rows.length }));
  form.onsubmit = (event) => {
    const { reason } = form.elements;
    if (event.submitter?.value !== "ok" || reason.value.trim().length >= Math.max(1, reason.minLength)) return;
    event.preventDefault();
    wrong.hidden = false;
    write(wrong, t("Write the reason: the next shift must understand it."));
    reason.focus();
  };
  dialog.returnValue = "";
  dialog.onclose = () => { if (dialog.returnValue === "ok") go(alarms); };
  dialog.showModal();
}
