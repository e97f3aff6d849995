"""`./stationmaster train soh` and `./stationmaster evaluate soh`: SOH models from the shell."""

import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from launcher.errors import WrongInput
from launcher.lab_errors import check_folder, told_as_wrong_input
from launcher.paths import DATA

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

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
        from rich.progress import Progress

        from cell_lab.cell_sets import SETS_FILE, read_sets
        from cell_lab.soh_baselines import SohBaselines, read_baselines, write_baselines
        from cell_lab.soh_card import CARD_FILE, card_part, model_card, own_score, read_card
        from cell_lab.train_soh import train_set

        sets_file = data / SETS_FILE if (data / SETS_FILE).exists() else MODELS / SETS_FILE
        sets = read_sets(sets_file)
        files = _files(data, sets, sets_file)
        out.mkdir(exist_ok=True)
        _check_sets(out, sets, sets_file)
        baselines, parts = read_baselines(out), read_card(out)
        with Progress() as bar:
            for name, path in files.items():
                show = partial(_show, bar, bar.add_task(name, total=1.0))
                found = train_set(name, sets[name], path, out, seed=seed, progress=show)
                own = own_score(found)
                baselines[name] = SohBaselines.fit(found.rows.inputs, found.rows.soh)
                parts[name] = card_part(name, found, seed)
                write_baselines(baselines, out)
                (out / CARD_FILE).write_text(
                    model_card({each: parts[each] for each in sets if each in parts}), "utf-8"
                )
                if sets_file.resolve() != (out / SETS_FILE).resolve():
                    (out / SETS_FILE).write_bytes(sets_file.read_bytes())
                bar.print(
                    f"{name}: MAPE {own.mape_pct:.2f} %, RMSE {own.rmse_pct:.2f} %, "
                    f"{own.coverage_pct:.1f} % in the interval, on cells not trained on"
                )
    print(f"{out}: {len(files)} models trained; {CARD_FILE} tells of them")
    return 0


def run_evaluate_soh(data: Path, models: Path, output: Path | None) -> int:
    """Try the SOH models on a file of whole lives, print the table, and write its rows.

    Raises:
        WrongInput: a file or a model is missing or wrong.
    """
    check_folder(output)
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
    if output is not None:
        text = json.dumps(as_json(rows), indent=1, ensure_ascii=False)
        output.write_text(text + "\n", "utf-8")
    return 0


def _files(data: Path, sets: Iterable[str], sets_file: Path) -> dict[str, Path]:
    from cell_lab.train_soh import file_of

    files = {name: path for name in sets if (path := file_of(data, name)) is not None}
    if not files:
        raise WrongInput(
            f"{data}: no file of the sets {', '.join(sets)} ({sets_file}); such a file is "
            "called SET.parquet or SET_dev.parquet"
        )
    return files


def _check_sets(out: Path, sets: Iterable[str], sets_file: Path) -> None:
    """Refuse to put a file of sets into a folder if models there are of none of them."""
    from cell_lab.cell_sets import SETS_FILE, read_sets

    if not (out / SETS_FILE).exists():
        return
    held = [name for name in read_sets(out / SETS_FILE) if (out / f"{name}.json").exists()]
    if unknown := sorted(set(held) - set(sets)):
        raise WrongInput(
            f"{out}: holds models of {', '.join(unknown)}, which {sets_file} does not list; add "
            f"them there from {out / SETS_FILE}, or name another folder by --out"
        )


def _show(bar: "Progress", task: "TaskID", share: float) -> None:
    bar.update(task, completed=share)


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
