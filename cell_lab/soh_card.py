"""The model card: what was trained on which data, how good it is, and where it is weak."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from cell_lab.soh_scores import ZONE_BOUNDS, SohScore, score
from cell_lab.train_soh import FOLDS, Trained

CARD_FILE = "model-card.md"
_WEAK_CELLS = 5
_HEAD = """# SOH models

Written by `./stationmaster train soh`; do not edit. Each model turns the ends of a cell's
charges into its SOH (capacity over nominal capacity) with an interval for nine times in ten.
It looks at the present and past cycles of the cell only, and knows no measured capacity of it.
All figures are of whole cells that the model had not seen ({folds} folds). The share of cycles in
the interval is of intervals that were measured on the other folds, at the least level that holds
90 % here.
"""
_WEAK = """## Where they are weak
- Cells that are used in a way no training cell was: the estimate is off by a nearly constant
  amount over the cell's life. A capacity test corrects that; the models are not given one.
- The last cycles of a cell that ages suddenly: few cells were cycled far below 0.85.
- Other makes of cell, other upper voltages and other charging currents: train a model of their
  own. Nothing here was measured on large-format cells of a storage station.
- Coverage holds over many cells. Within one cell it may be far from 90 %.
- The sixteen numbers come from laboratory cyclers; coarser samples of a station widen the errors.
"""


_TABLE = (
    "| set | cells | rows | MAPE % | RMSE % | in interval % "
    "| training mean MAPE % | ridge MAPE % |\n|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class CardPart:
    """What the card tells of one set: its line of the table, and its section; Markdown."""

    line: str
    section: str


def card_part(name: str, found: Trained, seed: int) -> CardPart:
    """Return what the card tells of a set that has been trained."""
    return CardPart(_line(name, found), "\n".join(_section(name, found, seed)))


def model_card(parts: Mapping[str, CardPart]) -> str:
    """Return the card of all models as Markdown."""
    table = "\n".join([_TABLE, *(part.line for part in parts.values())])
    sections = [part.section for part in parts.values()]
    texts = [_HEAD.format(folds=FOLDS), table, _WEAK, *sections]
    return "\n\n".join(text.strip() for text in texts) + "\n"


def read_card(folder: Path) -> dict[str, CardPart]:
    """Return what a folder's card tells of each set; nothing where there is no card."""
    path = folder / CARD_FILE
    if not path.exists():
        return {}
    head, *sections = re.split(r"^(?=## )", path.read_text("utf-8"), flags=re.MULTILINE)
    lines = {line.split("|")[1].strip(): line for line in head.splitlines() if line[:2] == "| "}
    named = {section.partition("\n")[0][3:]: section for section in sections}
    return {
        name: CardPart(lines[name], section) for name, section in named.items() if name in lines
    }


def own_score(found: Trained) -> SohScore:
    """Return the score of a set's model on cells it had not seen."""
    rows, held = found.rows, found.held_out
    return score(rows.soh, held.told, rows.cell, held.inside)


def _line(name: str, found: Trained) -> str:
    others = [found.held_out.baselines[key] for key in ("training mean", "ridge regression")]
    simple = " | ".join(f"{other.mape_pct:.2f}" for other in others)
    return f"| {name} | {_cells(own_score(found))} | {simple} |"


def _section(name: str, found: Trained, seed: int) -> Iterator[str]:
    rows, held = found.rows, found.held_out
    yield f"## {name}"
    yield f"- Cells: {', '.join(sorted({_plate(found, batch) for batch in found.cells.makes}))}"
    yield f"- Use: {found.cells.duty}"
    yield f"- Data: {found.cells.source}; {found.cells.licence}"
    yield f"- Data file: SHA-256 `{found.data_sha256}`; {found.left_out} cycles without capacity"
    size_kb = found.size_bytes / 1000
    yield (
        f"- Model: {size_kb:.0f} kB of ONNX, within {found.difference:.0e} of what was fitted; "
        f"seed {seed}"
    )
    yield "\n| part | cells | rows | MAPE % | RMSE % | in interval % |\n|---|---|---|---|---|---|"
    batches = np.unique(rows.batch)
    parts = [(batch, rows.batch == batch) for batch in batches if len(batches) > 1]
    place = np.searchsorted(ZONE_BOUNDS, rows.soh, side="right")
    names = [f"below {ZONE_BOUNDS[0]}"]
    names += [f"{low} to {high}" for low, high in pairwise(ZONE_BOUNDS)]
    names += [f"{ZONE_BOUNDS[-1]} and above"]
    parts += [(f"SOH {zone}", place == number) for number, zone in enumerate(names)]
    for part, here in parts:
        if here.any():
            found_here = score(rows.soh[here], held.told[here], rows.cell[here], held.inside[here])
            yield f"| {part} | {_cells(found_here)} |"
    cells = np.unique(rows.cell)
    errors = [_mape(found, cell) for cell in cells]
    worst = np.argsort(errors)[::-1][:_WEAK_CELLS]
    told = ", ".join(f"{cells[number]} ({errors[number]:.1f} %)" for number in worst)
    yield f"\nCells with the largest MAPE: {told}."


def _mape(found: Trained, cell: str) -> float:
    here = found.rows.cell == cell
    soh = found.rows.soh[here]
    return float(100 * np.mean(np.abs(found.held_out.told[here] - soh) / soh))


def _plate(found: Trained, batch: str) -> str:
    make = found.cells.makes[batch]
    return f"{make.cell} ({make.chemistry}, {make.nominal_ah:g} Ah)"


def _cells(found: SohScore) -> str:
    return (
        f"{found.cells} | {found.rows} | {found.mape_pct:.2f} | {found.rmse_pct:.2f} | "
        f"{found.coverage_pct:.1f}"
    )
