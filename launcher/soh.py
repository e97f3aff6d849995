"""`./stationmaster train soh` and `./stationmaster evaluate soh`: SOH models from the shell."""

from pathlib import Path
from typing import TYPE_CHECKING

from launcher.lab_errors import check_file, check_folder, told_as_wrong_input
from launcher.model_folders import check_models, files_of_sets, keep_sets, train_each, write_rows
from launcher.paths import DATA

if TYPE_CHECKING:
    from collections.abc import Callable

    from cell_lab.evaluate_soh import Row

MODELS = DATA / "models" / "soh"


def run_train_soh(data: Path, out: Path, seed: int) -> int:
    """Train a model of every set that has a file in a folder; write models, baselines and card.

    What the output folder holds of other sets stays.

    Raises:
        WrongInput: a file is wrong, or there is none, or other models would be lost.
    """
    check_folder(out)
    with told_as_wrong_input():
        from cell_lab.soh_baselines import SohBaselines, read_baselines, write_baselines
        from cell_lab.soh_card import CARD_FILE, card_part, model_card, own_score, read_card
        from cell_lab.train_soh import train_set

        given = files_of_sets(data, MODELS, out)
        baselines, parts = read_baselines(out), read_card(out)

        def train(name: str, path: Path, tell: "Callable[[float], None]") -> str:
            found = train_set(name, given.sets[name], path, out, seed=seed, progress=tell)
            baselines[name] = SohBaselines.fit(found.rows.inputs, found.rows.soh)
            parts[name] = card_part(name, found, seed)
            write_baselines(baselines, out)
            known = {each: parts[each] for each in given.sets if each in parts}
            (out / CARD_FILE).write_text(model_card(known), "utf-8")
            keep_sets(given, out)
            own = own_score(found)
            return (
                f"MAPE {own.mape_pct:.2f} %, RMSE {own.rmse_pct:.2f} %, "
                f"{own.coverage_pct:.1f} % in the interval, on cells not trained on"
            )

        train_each(given, train)
    print(f"{out}: {len(given.files)} models trained; {CARD_FILE} tells of them")
    return 0


def run_evaluate_soh(data: Path, models: Path, output: Path | None) -> int:
    """Try the SOH models on a file of whole lives, print the table, and write its rows.

    Raises:
        WrongInput: a file or a model is missing or wrong.
    """
    check_file(output)
    check_models(models, "soh")
    with told_as_wrong_input():
        from cell_lab.evaluate_soh import as_json, evaluate_soh
        from cell_lab.soh_card import CARD_FILE

        rows = evaluate_soh(data, models)
    _print_table(rows)
    for row in rows:
        if row.held:
            print(
                f"{row.name}: {row.held} missing values replaced by the cell's last before them, "
                "or by the training cells' median where there was none"
            )
        if row.unmeasured:
            print(f"{row.name}: {row.unmeasured} cycles have no capacity and are not judged")
    print(f"Cells that a model was trained on flatter it; of others: {models / CARD_FILE}")
    write_rows(output, as_json(rows))
    return 0


def _print_table(rows: "list[Row]") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("Set", no_wrap=True)
    others = list(rows[0].baselines)
    titles = ["cells", "cycles", "MAPE %", "RMSE %", "in interval %"]
    titles += [f"{name} MAPE %" for name in others] + ["PINN4SOH MAPE % (published, not causal)"]
    for title in titles:
        table.add_column(title, justify="right")
    for row in rows:
        own = row.score
        table.add_row(
            row.name,
            str(own.cells),
            str(own.rows),
            f"{own.mape_pct:.2f}",
            f"{own.rmse_pct:.2f}",
            f"{own.coverage_pct:.1f}",
            *(f"{row.baselines[name].mape_pct:.2f}" for name in others),
            " / ".join(f"{each.mape_pct:.2f}" for each in row.cells.published) or "–",
        )
    Console(width=max(Console().width, 110)).print(table)
