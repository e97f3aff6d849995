"""`./stationmaster train life` and `./stationmaster evaluate life`, from the shell."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from launcher.lab_errors import check_file, check_folder, told_as_wrong_input
from launcher.model_folders import check_models, files_of_sets, keep_sets, train_each, write_rows
from launcher.paths import DATA

if TYPE_CHECKING:
    from collections.abc import Callable

    from cell_lab.evaluate_life import LifeRow
    from cell_lab.soh_card import CardPart

MODELS = DATA / "models" / "life"
_EARLY_DATA = "severson_qdv_train.npz"


def run_train_life(data: Path, out: Path, seed: int) -> int:
    """Train a model of every set that has a file in a folder; write models and card.

    Raises:
        WrongInput: a file is wrong, or there is none.
    """
    check_folder(out)
    with told_as_wrong_input():
        from cell_lab.life_card import life_card, life_part
        from cell_lab.soh_card import CARD_FILE, read_card
        from cell_lab.train_life import train_life

        given = files_of_sets(data, MODELS, out, besides=_EARLY_DATA)
        parts = read_card(out)

        def train(name: str, path: Path, tell: "Callable[[float], None]") -> str:
            found = train_life(name, given.sets[name], path, out, seed=seed, progress=tell)
            parts[name] = life_part(name, found, seed)
            return (
                f"RMSE {found.score.rmse_cycles:.0f} cycles, MAPE {found.score.mape_pct:.1f} %, "
                f"{found.score.coverage_pct:.1f} % in the interval, on cells not trained on"
            )

        train_each(given, train)
        early = data / _EARLY_DATA
        if early.exists():
            parts |= _train_early(early, out)
        (out / CARD_FILE).write_text(life_card(parts), "utf-8")
        keep_sets(given, out)
    trained = len(given.files) + early.exists()
    print(f"{out}: {trained} models trained; {CARD_FILE} tells of them")
    return 0


def run_evaluate_life(data: Path, models: Path, output: Path | None) -> int:
    """Try the models of life on a file, print the table, and write its rows.

    Raises:
        WrongInput: a file or a model is missing or wrong.
    """
    check_file(output)
    check_models(models, "life")
    with told_as_wrong_input():
        from cell_lab.evaluate_life import as_json, evaluate_life
        from cell_lab.soh_card import CARD_FILE

        rows = evaluate_life(data, models)
    _print_table(rows)
    for row in rows:
        if row.unended:
            print(f"{row.name}: {row.unended} cells stop before their end and are not judged")
    print(f"Cells that a model was trained on flatter it; of others: {models / CARD_FILE}")
    write_rows(output, as_json(rows))
    return 0


def _train_early(path: Path, out: Path) -> "dict[str, CardPart]":
    import numpy as np

    from cell_lab.early_life import NAME, line_of, read_early_cells, train_early_life
    from cell_lab.evaluate_life import EARLY
    from cell_lab.life_card import early_part
    from cell_lab.life_scores import score_life

    cells = read_early_cells(path)
    model, score = train_early_life(cells, path)
    names = np.arange(len(cells.life_cycles)).astype(np.str_)
    line = score_life(cells.life_cycles, line_of(model, cells.charge_ah), names)
    (out / EARLY).write_text(model.model_dump_json() + "\n", "utf-8")
    print(f"{NAME}: RMSE {score.rmse_cycles:.0f} cycles on cells left out one by one")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return {NAME: early_part(NAME, model, score, line, sha256)}


def _print_table(rows: "list[LifeRow]") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("Set", no_wrap=True)
    table.add_column("Estimator")
    for title in ("cells", "rows", "RMSE cycles", "MAE cycles", "MAPE %", "in interval %"):
        table.add_column(title, justify="right")
    for row in rows:
        for name, found in ((f"ours: {row.task}", row.score), *row.baselines.items()):
            table.add_row(
                row.name,
                name,
                str(found.cells),
                str(found.rows),
                f"{found.rmse_cycles:.0f}",
                f"{found.mae_cycles:.0f}",
                f"{found.mape_pct:.1f}",
                "–" if found.coverage_pct is None else f"{found.coverage_pct:.1f}",
            )
        for published in row.published:
            rmse = f"{published['rmse_cycles']:.0f}"
            table.add_row(row.name, str(published["estimator"]), "–", "–", rmse, "–", "–", "–")
    Console(width=max(Console().width, 110)).print(table)
