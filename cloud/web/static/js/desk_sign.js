// From what is seen to what stands: store the edit, wait for the check, sign exactly that.
import { ask, cloudNow } from "./console.js";
import { one, write } from "./dom.js";
import { energy, number, sum } from "./format.js";
import { t } from "./words.js";

const ASK_MS = 400;
const LIMIT_MS = 30_000;

const pause = () => new Promise((go) => { setTimeout(go, ASK_MS); });
const grouped = (mark) => mark.replace(/(.{4})/g, "$1 ").trim();

/** Fill the dialog with what will be signed. */
export function showSign(offers, told, facts) {
  const powers = [...offers.most(1), ...offers.most(-1)];
  const { prices } = offers;
  const { figures } = told.judgement;
  const fields = {
    intervals: String(offers.offers.filter(({ segments }) => segments.length).length),
    energy: facts.held ? `${number(Math.max(0, ...powers.map(Math.abs)))} MW` : `${energy(offers.energy(-1))} / ${energy(offers.energy(1))} MWh`,
    extremes: `${number(Math.max(...powers, 0))} / ${number(Math.min(...powers, 0))} MW`,
    prices: prices.length ? `${number(Math.min(...prices))} / ${number(Math.max(...prices))} ${facts.unit}` : t("at any price"),
    expected: `${sum(figures.expected)} ${facts.currency}`,
    left: `${sum(figures.left)} ${facts.currency}`,
    cvar: `${sum(figures.cvar)} ${facts.currency}`,
    changed: String(offers.changed),
    fingerprint: grouped(told.fingerprint),
  };
  for (const [name, text] of Object.entries(fields)) write(one(`[data-sign="${name}"]`), text);
  const warning = one('[data-sign="warning"]');
  const above = told.may_approve ? "" : t("This is above what you may sign. It is stored as a new version, and waits for a head of trading.");
  const apart = facts.unsigned.length ? t("It was planned together with {names}, which is not signed: signed alone it may earn less than it says, since what one part buys the other sells.", { names: facts.unsigned.join(", ") }) : "";
  warning.hidden = !above && !apart;
  write(warning, [above, apart].filter(Boolean).join(" "));
  one("#send").disabled = !told.may_approve && offers.changed === 0;
  one("#sign").dataset.fingerprint = told.fingerprint;
}

/** Store, wait and sign; returns the bid as it then is. `tell` hears what is going on. */
export async function sign(path, bid, offers, told, why, tell) {
  let { number: version } = offers.version;
  let now = bid;
  const inTime = () => { if (cloudNow() >= bid.gate_ms) throw new Error(t("the gate has closed")); };
  inTime();
  if (offers.changed) {
    tell(t("The new version is stored and checked."));
    now = await ask(`${path}/versions`, { method: "POST", body: { version, newest: bid.newest, intervals: offers.offers, why } });
    version = now.newest;
  }
  now = await checked(path, version);
  const made = now.versions.find((one_) => one_.number === version);
  if (made.state !== "checked") {
    const reason = held(made);
    if (!reason) inTime();
    throw new Error(reason ? t("the check holds it back: {reason}", { reason }) : t("it can no longer be signed; look at it again"));
  }
  if (made.fingerprint !== told.fingerprint) throw new Error(t("it is not what you have seen; look at it again"));
  if (!told.may_approve) return now;
  return ask(`${path}/approve`, { method: "POST", body: { version, fingerprint: made.fingerprint, why } });
}

async function checked(path, number_) {
  const until = performance.now() + LIMIT_MS;
  for (;;) {
    const bid = await ask(path);
    const version = bid.versions.find((one_) => one_.number === number_);
    if (version.state !== "drafted" || version.blocked) return bid;
    if (performance.now() > until) throw new Error(t("nothing has checked it for {seconds} s; look whether the jobs of the cloud run", { seconds: LIMIT_MS / 1e3 }));
    await pause();
  }
}

function held({ judgement }) {
  const zh = document.documentElement.lang.startsWith("zh");
  const words = [...(judgement?.violations ?? []), ...(judgement?.breaches ?? [])];
  return words.map((one_) => (zh ? one_.zh : one_.en)).join(zh ? "；" : "; ");
}
