"""`./stationmaster train life` and `./stationmaster evaluate life`, from the shell."""

import hashlib
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from launcher.errors import WrongInput
from launcher.lab_errors import check_folder, told_as_wrong_input
from launcher.paths import DATA

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

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
        from rich.progress import Progress

        from cell_lab.cell_sets import SETS_FILE, read_sets
        from cell_lab.life_card import life_card, life_part
        from cell_lab.soh_card import CARD_FILE, read_card
        from cell_lab.train_life import train_life
        from cell_lab.train_soh import file_of

        sets_file = data / SETS_FILE if (data / SETS_FILE).exists() else MODELS / SETS_FILE
        sets = read_sets(sets_file)
        files = {name: path for name in sets if (path := file_of(data, name)) is not None}
        early = data / _EARLY_DATA
        if not files and not early.exists():
            raise WrongInput(
                f"{data}: no file of the sets {', '.join(sets)} ({sets_file}), and no "
                f"{_EARLY_DATA}; such a file is called SET.parquet or SET_dev.parquet"
            )
        out.mkdir(exist_ok=True)
        parts = read_card(out)
        with Progress() as bar:
            for name, path in files.items():
                show = partial(_show, bar, bar.add_task(name, total=1.0))
                found = train_life(name, sets[name], path, out, seed=seed, progress=show)
                parts[name] = life_part(name, found, seed)
                bar.print(
                    f"{name}: RMSE {found.score.rmse_cycles:.0f} cycles, MAPE "
                    f"{found.score.mape_pct:.1f} %, {found.score.coverage_pct:.1f} % in the "
                    "interval, on cells not trained on"
                )
        if early.exists():
            parts |= _train_early(early, out)
        (out / CARD_FILE).write_text(life_card(parts), "utf-8")
        if sets_file.resolve() != (out / SETS_FILE).resolve():
            (out / SETS_FILE).write_bytes(sets_file.read_bytes())
    print(f"{out}: {len(files) + early.exists()} models trained; {CARD_FILE} tells of them")
    return 0


def run_evaluate_life(data: Path, models: Path, output: Path | None) -> int:
    """Try the models of life on a file, print the table, and write its rows.

    Raises:
        WrongInput: a file or a model is missing or wrong.
    """
    check_folder(output)
    with told_as_wrong_input():
        from cell_lab.evaluate_life import as_json, evaluate_life
        from cell_lab.soh_card import CARD_FILE

        rows = evaluate_life(data, models)
    _print_table(rows)
    for row in rows:
        if row.unended:
            print(f"{row.name}: {row.unended} cells stop before their end and are not judged")
    print(f"Cells that a model was trained on flatter it; of others: {models / CARD_FILE}")
    if output is not None:
        text = json.dumps(as_json(rows), indent=1, ensure_ascii=False)
        output.write_text(text + "\n", "utf-8")
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


def _show(bar: "Progress", task: "TaskID", share: float) -> None:
    bar.update(task, completed=share)


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
