"""`./stationmaster train anomaly` and `./stationmaster evaluate anomaly` from the shell."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from launcher.lab_errors import check_file, check_folder, told_as_wrong_input
from launcher.model_folders import check_models, write_rows
from launcher.paths import DATA
from launcher.progress import progress

if TYPE_CHECKING:
    from cell_lab.anomaly.false_alarms import FalseAlarms

DETECTOR = DATA / "models" / "anomaly"
_LEAST_WIDTH = 128


def run_train_anomaly(data: list[Path], out: Path, seed: int) -> int:
    """Train a detector into a folder, and write its card.

    Raises:
        WrongInput: a file is wrong, or the folder holds another plan's beginnings.
    """
    check_folder(out)
    with told_as_wrong_input():
        from cell_lab.anomaly.card_text import CARD_TEXT, model_card
        from cell_lab.anomaly.train import Plan, train_detector

        plan = Plan(seed=seed)
        with progress() as tell:
            detector = train_detector(out, plan, data, tell)
        (out / CARD_TEXT).write_text(model_card(out, detector), "utf-8")
    levels = detector.card.levels
    print(
        f"{out}: a score of {levels.warning:.2f} is a warning (once in four rack-months of healthy "
        f"cells), {levels.alarm:.2f} an alarm; {CARD_TEXT} tells more"
    )
    return 0


def run_evaluate_anomaly(
    data: list[Path],
    models: Path,
    output: Path | None,
    *,
    trials: int,
    healthy_hours: float,
    keep: Path | None = None,
) -> int:
    """Put faults into racks, print what was found, and write the rows.

    Raises:
        WrongInput: a file is wrong or missing.
    """
    check_file(output)
    check_models(models, "anomaly")
    if keep is not None:
        check_folder(keep)
    with told_as_wrong_input():
        from cell_lab.anomaly.evaluate import as_rows
        from cell_lab.anomaly.false_alarms import BUDGET_PER_RACK_YEAR
        from cell_lab.anomaly.trials import run_all
        from station.estimators.anomaly import load_detector

        with progress() as tell:
            detector = load_detector(models)
            found, alarms = run_all(detector, data, trials, healthy_hours, tell, keep=keep)
        rows = as_rows(found, alarms)
        most = alarms.at_most_per_rack_year
        totals: dict[str, Any] = {
            "trials": len(found),
            "rack_hours": round(alarms.rack_hours, 1),
            "false_warnings": alarms.warnings,
            "false_alarm_level": alarms.alarms,
            "false_notices": alarms.notices,
            "false_alarms_per_rack_year": round(alarms.per_rack_year, 2),
            "false_alarms_per_rack_year_at_most_95": round(most, 2),
            "budget_per_rack_year": BUDGET_PER_RACK_YEAR,
            "budget_is_proven": most < BUDGET_PER_RACK_YEAR,
            "sources": {
                source: as_rows([each for each in found if each.source == source], None)[-1]
                for source in dict.fromkeys(each.source for each in found)
            },
        }
    if rows:
        _print_rows(rows)
    _print_alarms(alarms, totals)
    write_rows(output, {"rows": rows, "totals": totals})
    return 0


def _print_rows(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("Fault", no_wrap=True)
    table.add_column("Size", no_wrap=True)
    titles = ("AUROC", "thresh.", "forest", "found %", "after", "before threshold", "named %")
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        size = "" if row["size"] is None else f"{row['size']:g} {row['unit']}"
        more = "> " if row["lead_is_at_least"] else ""
        table.add_row(
            row["type"] + ("" if row["claimed"] else " (not claimed)"),
            size,
            f"{row['auroc']:.3f}",
            f"{row['auroc_thresholds']:.3f}",
            f"{row['auroc_isolation_forest']:.3f}",
            f"{row['detected_pct']:.0f}",
            _span(row["found_s"]),
            more + _span(row["lead_s"]),
            "–" if row["named_pct"] is None else f"{row['named_pct']:.0f}",
        )
    Console(width=max(Console().width, _LEAST_WIDTH)).print(table)


def _print_alarms(alarms: "FalseAlarms", totals: dict[str, Any]) -> None:
    verdict = "kept" if totals["budget_is_proven"] else "not proven by so few hours"
    print(
        f"Healthy racks, {alarms.rack_hours:.0f} rack-hours: "
        f"{alarms.notices} notices, {alarms.warnings} of them warnings or more: "
        f"{totals['false_alarms_per_rack_year']:.1f} warnings a rack-year, at most "
        f"{totals['false_alarms_per_rack_year_at_most_95']:.1f} with 95 % confidence; "
        f"the budget of {totals['budget_per_rack_year']:.0f} is {verdict}"
    )


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 600:  # noqa: PLR2004 - ten minutes
        return f"{seconds:.0f} s"
    return f"{seconds / 3600:.1f} h"
