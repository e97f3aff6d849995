// What a person does to alarms: acknowledge, shelve, take out of service and back, reset. A result is
// said in the polite live region; a refusal stays on the page with its rule and its remedy.
import { ask, cloudNow } from "./console.js";
import { one, say, write } from "./dom.js";
import { clock } from "./format.js";
import { pageData, sentences, t } from "./words.js";

const facts = pageData("facts");
const MINUTE_MS = 60_000;

const done = {
  acknowledge: (n) => t("{n} acknowledged", { n }),
  shelve: (n) => t("{n} shelved", { n }),
  unshelve: (n) => t("{n} no longer shelved", { n }),
  "out-of-service": (n) => t("{n} taken out of service", { n }),
  "back-to-service": (n) => t("{n} back in service", { n }),
  reset: (n) => t("{n} reset", { n }),
};

/** An alarm as an act names it: which, and the newest onset that its person has seen. */
export const named = ({ dataset }) => ({ id: Number(dataset.id), onset_ms: Number(dataset.onset) });

/** Send an act for these alarms; true when the cloud has done it. */
export async function act(kind, alarms, more = {}) {
  if (!alarms.length) {
    tell(t("No alarm is chosen."));
    return false;
  }
  try {
    const answer = await ask(`/api/v1/alarms/${kind}`, { method: "POST", body: { alarms, ...more } });
    const refused = answer.refused ?? [];
    const told = done[kind](answer.done.length);
    if (refused.length) tell(sentences(`${told}${t(".")}`, t("{n} refused:", { n: refused.length }), why(refused[0])), true);
    else tell(told);
    return refused.length < alarms.length;
  } catch (error) {
    tell(sentences(t("Nothing was done."), why(error.answer ?? { message: error.message })), true);
    return false;
  } finally {
    document.body.dispatchEvent(new Event("sm:acted"));
  }
}

// The words of a refusal in the reader's language: the rule, then what to do.
function why({ message = "", remedy = "", reason_en, reason_zh, remedy_en, remedy_zh }) {
  const chinese = document.documentElement.lang.startsWith("zh");
  return sentences((chinese ? reason_zh : reason_en) ?? message, (chinese ? remedy_zh : remedy_en) ?? remedy);
}

/** Said aloud; a refusal is shown too, until the next act. */
export function tell(words, refused = false) {
  say(words);
  const place = one("#refusal");
  if (!place) return;
  place.hidden = !refused;
  write(place, refused ? words : "");
}

/** Ask for reason and time, then shelve these rows. A safety alarm is refused before anything is asked. */
export function openShelve(rows) {
  const dialog = one("#shelve");
  const { reason, minutes } = dialog.querySelector("form").elements;
  const locked = rows.every((row) => row.dataset.safety);
  const until = () => write(one("[data-back]", dialog), locked ? "\u2013" : clock(cloudNow() + Number(minutes.value) * MINUTE_MS, facts.zone));
  one('[data-note="usual"]', dialog).hidden = locked;
  one('[data-note="safety"]', dialog).hidden = !locked;
  for (const field of [reason, minutes, one('[value="ok"]', dialog)]) field.disabled = locked;
  minutes.onchange = until;
  until();
  ask_(dialog, rows, () => ["shelve", { minutes: Number(minutes.value), reason: reason.value.trim() }]);
}

/** Ask for a reason, then take these rows' alarms out of service. */
export function openRemove(rows) {
  const dialog = one("#remove");
  const { reason } = dialog.querySelector("form").elements;
  ask_(dialog, rows, () => ["out-of-service", { reason: reason.value.trim() }]);
}

// The safe button is first in the focus order and Escape leaves; only "ok" with a reason acts.
function ask_(dialog, rows, what) {
  const form = dialog.querySelector("form");
  const wrong = one("[data-wrong]", dialog);
  form.reset();
  wrong.hidden = true;
  write(one("[data-of]", dialog), rows.length === 1 ? rows[0].dataset.label : t("{n} alarms", { n: rows.length }));
  form.onsubmit = (event) => {
    if (event.submitter?.value !== "ok" || form.elements.reason.value.trim()) return;
    event.preventDefault();
    wrong.hidden = false;
    write(wrong, t("Write the reason: the next shift must understand it."));
    form.elements.reason.focus();
  };
  dialog.returnValue = "";
  const alarms = rows.map(named);
  dialog.onclose = () => { if (dialog.returnValue === "ok") act(...withAlarms(what(), alarms)); };
  dialog.showModal();
}

const withAlarms = ([kind, more], alarms) => [kind, alarms, more];
