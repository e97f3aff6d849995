"""The card of the models of life: what was trained on which data, how good, and where weak."""

from collections.abc import Mapping

from cell_lab.early_life import LINE, EarlyLifeModel
from cell_lab.life_scores import LEAST_CYCLES, LifeScore
from cell_lab.soh_card import CardPart
from cell_lab.train_life import FOLDS, MEAN_LIFE, RIDGE, TrainedLife

_HEAD = f"""# Models of life

Written by `./stationmaster train life`; do not edit. Models of remaining cycles look at the present
and past charges of a cell only; those of early life at the discharge curves of cycles 2 to 100. All
figures are of whole cells that the model had not seen ({FOLDS} folds; early life: each cell left
out alone). Percent are of rows with {LEAST_CYCLES:g} cycles left or more.
"""
_TABLE = (
    "| set | cells | rows | RMSE cycles | MAE cycles | MAPE % | in interval % "
    "| simple | RMSE cycles |\n|---|---|---|---|---|---|---|---|---|"
)
_WEAK = """## Where they are weak
- A cell that is used in a way no training cell was: one duty's life says little of another's.
- Sudden ends: some cells lose in fifty cycles what they had lost in five hundred. An interval holds
  nine times in ten over many cells; within one cell it may be off for all of its life.
- All cells are small and were cycled in a laboratory without pauses. Calendar ageing, which rules
  a station's life, is in none of them: for a station's rack take the trend of its SOH
  (docs/life.md), and these models for cells in a cycling test.
"""


def life_part(name: str, found: TrainedLife, seed: int) -> CardPart:
    """Return what the card tells of a set of whole lives."""
    ridge, mean = found.baselines[RIDGE], found.baselines[MEAN_LIFE]
    makes = sorted({f"{make.cell} ({make.chemistry})" for make in found.cells.makes.values()})
    lines = [
        f"## {name}",
        f"- Cells: {', '.join(makes)}; {found.rows.unended} more stop before the end",
        f"- End of life: SOH {found.cells.end_soh:g}",
        f"- Data: {found.cells.source}; {found.cells.licence}",
        f"- Data file: SHA-256 `{found.data_sha256}`; seed {seed}",
        f"- Model: ONNX within {found.difference:.0e} of what was fitted",
        "\n| part | cells | rows | RMSE cycles | MAE cycles | MAPE % | in interval % |",
        "|---|---|---|---|---|---|---|",
        f"| whole lives | {_cells(found.score)} |",
        f"| the last 150 cycles | {_cells(found.late)} |",
        f"| {MEAN_LIFE} | {_cells(mean)} |",
        f"| {RIDGE} | {_cells(ridge)} |",
    ]
    line = f"| {name} | {_cells(found.score)} | {MEAN_LIFE} | {mean.rmse_cycles:.0f} |"
    return CardPart(line, "\n".join(lines))


def early_part(
    name: str, model: EarlyLifeModel, score: LifeScore, line: LifeScore, sha256: str
) -> CardPart:
    """Return what the card tells of early life."""
    lines = [
        f"## {name}",
        "- Cells: A123 APR18650M1A (LFP), cycled at 4C with fast charging",
        "- Data: K. A. Severson et al., Nature Energy 4 (2019) 383; data.matr.io; CC BY 4.0",
        f"- Data file: SHA-256 `{sha256}`; {len(model.processes[0].points)} cells",
        f"- The interval is {model.scale:.2f} of the process's own spreads",
        "- Their published primary test (43 cells) stayed out of the training",
    ]
    text = f"| {name} | {_cells(score)} | {LINE} | {line.rmse_cycles:.0f} |"
    return CardPart(text, "\n".join(lines))


def life_card(parts: Mapping[str, CardPart]) -> str:
    """Return the card of all models as Markdown."""
    table = "\n".join([_TABLE, *(part.line for part in parts.values())])
    texts = [_HEAD, table, _WEAK, *(part.section for part in parts.values())]
    return "\n\n".join(text.strip() for text in texts) + "\n"


def _cells(found: LifeScore) -> str:
    inside = "" if found.coverage_pct is None else f"{found.coverage_pct:.1f}"
    return (
        f"{found.cells} | {found.rows} | {found.rmse_cycles:.0f} | {found.mae_cycles:.0f} | "
        f"{found.mape_pct:.1f} | {inside}"
    )
