// What an answer is made of, and why there is none, in words with the remedy.
import { number } from "./format.js";
import { sentences, t } from "./words.js";
import { showTime } from "./zone.js";

export const RESOLUTION = { raw: t("samples"), "1min": "1 min", "15min": "15 min", "1h": "1 h", "1d": "1 d", "1mo": t("month") };
export const TIER = { raw: t("from samples"), "1min": t("from minutes"), "15min": t("from quarter hours") };

const STEP_MS = { raw: 1e3, "1min": 6e4, "15min": 9e5, "1h": 36e5, "1d": 864e5, "1mo": 28 * 864e5 };
const UNAVAILABLE = 503;

/** One or two sentences for an error of `ask`: what is wrong and what to do. */
export function refusal(error, { signals, resolution }, [from, to]) {
  const { code, message } = error.answer ?? {};
  if (code === "too_many_points") {
    const points = signals.length * Math.ceil((to - from) / (STEP_MS[resolution] ?? 1e3));
    return sentences(t("These would be up to {n} points, more than one chart holds.", { n: number(points, 0) }), t("Choose a coarser resolution, a shorter range or fewer signals, or download them."));
  }
  if (code === "too_much_work") return sentences(t("Too much stored data would have to be read for this chart."), t("Choose a coarser resolution, a shorter range or fewer signals, or download them."));
  if (code === "bad_query" && signals.some((ref) => ref.split(":").length > 2)) return t("Cells are kept as samples and by quarter hours: choose samples, 1 min or 15 min.");
  if (code === "damaged") return t("The stored data of this range are damaged. An administrator restores them from a backup or an archive.");
  if (error.status === UNAVAILABLE) return t("The database does not answer. It is started again by itself: try again in a few seconds.");
  if (error.status === undefined) return t("The page has no connection to the cloud. What is shown stays as it was; try again.");
  return t("The chart cannot be shown: {reason}", { reason: message ?? error.message });
}

/** What of the range is no longer kept, by the notes of an answer, and what to do; "" for none. */
export function gone(notes, zone) {
  const kept = ({ resolution, before_ms: at }) => {
    const time = showTime(at, zone);
    return resolution === "raw" ? t("Samples before {time} are no longer kept, except around severe events.", { time }) : t("Values of {resolution} before {time} are no longer kept.", { resolution: RESOLUTION[resolution], time });
  };
  const remedy = ({ instead }) => (instead ? t("Values of {resolution} are shown instead.", { resolution: RESOLUTION[instead] }) : t("Choose a coarser resolution, or have an administrator put the month back from the archive."));
  return sentences(...notes.flatMap((note) => [kept(note), remedy(note)]));
}
