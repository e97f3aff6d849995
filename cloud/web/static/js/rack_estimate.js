// The estimate of a rack: its figures, the cells at the ends with the way to the map, its anomaly.
import { all, one, write } from "./dom.js";
import { anomalyOf, interval, showCommon } from "./estimate.js";
import { NO_VALUE, number } from "./format.js";
import { cellName } from "./heatmap.js";
import { value } from "./live.js";
import { t } from "./words.js";

/** Fill the panel of a rack; `columns` is how many cells a pack of the map has. */
export function showEstimate(rack, columns) {
  const panel = one("#estimate");
  if (!panel) return;
  const stale = showCommon(panel, rack);
  for (const node of all("[data-interval-of]")) write(node, interval(rack, ...node.dataset.intervalOf.split(" ")));
  for (const link of all("dd [data-to-cell]", panel)) extreme(rack, link, columns, stale);
  anomaly(rack, one("#anomaly"), columns);
}

function extreme(rack, link, columns, stale) {
  const cell = value(`${rack}:${link.dataset.index}`);
  link.dataset.toCell = cell ?? "";
  link.disabled = !(cell >= 1);
  write(link, cell >= 1 ? t("cell {name}", { name: cellName(cell - 1, columns) }) : NO_VALUE);
  link.closest("dd").classList.toggle("stale", stale);
}

function anomaly(rack, place, columns) {
  const found = anomalyOf(rack);
  place.hidden = !found;
  if (!found) return;
  const where = found.index == null ? t("whole rack") : t("cell {name}", { name: cellName(found.index, columns) });
  const score = value(`${rack}:anomaly_score`);
  write(one("[data-anomaly-title]", place), t("{where}: {what}", { where: t("Anomaly"), what: found.words }));
  write(one("[data-anomaly-text]", place), t("{where}, score {score}.", { where, score: number(score, 2) }));
  const link = one("[data-to-cell]", place);
  link.hidden = found.index == null;
  link.dataset.toCell = found.index == null ? "" : found.index + 1;
}
