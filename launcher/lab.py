"""`./stationmaster identify` and `./stationmaster evaluate ...`: the laboratory from the shell."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Literal

from launcher.lab_errors import check_file, told_as_wrong_input
from launcher.progress import progress

if TYPE_CHECKING:
    from cell_lab.choose import Choice
    from cell_lab.evaluate_soc import Case, Score
    from cell_lab.published import PublishedFigure
    from station.estimators import CellModel

_LEAST_WIDTH = 120
Chemistry = Literal["LFP", "NMC", "NCA"]
Scores = dict[str, "list[Score | None]"]
"""Lines of each method by its name; None for a make that a method does not know."""


def run_identify(
    data: Path,
    cell: str | None,
    out: Path,
    *,
    make: str,
    chemistry: Chemistry,
    source: str,
    ocv_from: Path | None,
    capacity_ah: float | None,
) -> int:
    """Identify a make of cell and write its parameter file.

    Raises:
        WrongInput: the recordings do not suffice, or a file is wrong.
    """
    check_file(out)
    with told_as_wrong_input():
        from cell_lab.disturb import DEFAULT
        from cell_lab.hold_out import identify_calibrated
        from cell_lab.parameter_files import read_ocv, write_parameters
        from cell_lab.recordings import read_recordings

        given = None if capacity_ah is None else lambda _cell: capacity_ah
        recordings = read_recordings(data, cell, given)
        ocv = read_ocv(ocv_from) if ocv_from is not None else None
        with progress() as tell:
            fit = identify_calibrated(
                *(recordings, make, chemistry, source, ocv),
                disturbances=DEFAULT,
                progress=partial(tell, "identifying, then trying at temperatures held out"),
            )
        write_parameters(fit.parameters, out)
    print(f"{out}: {make}, {fit.parameters.capacity_ah:g} Ah, {len(fit.residual_v)} recordings")
    for name, residual_v in fit.residual_v.items():
        print(f"  {name:<24} repeats the voltage within {1000 * residual_v:5.1f} mV (rms)")
    intervals = fit.parameters.intervals
    if intervals is None:
        print("  not tried: no recording that draws current lasts for 20 minutes or more")
        return 0
    _, middle, _ = intervals.settled
    for at_c, times in zip(intervals.temperature_c, middle, strict=True):
        print(f"  at {at_c:g} C errors reach {times:g} times what the filter expects of itself")
    return 0


@dataclass(frozen=True)
class HoldOut:
    """What is asked for by `--hold-out`: identify without a temperature, then try there."""

    chemistry: Chemistry
    ocv_from: Path | None
    without: tuple[str, ...]


def run_evaluate_soc(
    data: Path, cell_params: str, disturb: str, output: Path | None, hold_out: HoldOut | None = None
) -> int:
    """Try the SOC estimator on recordings, print the table, and write its rows.

    Raises:
        WrongInput: a file, a cell or a disturbance is wrong.
    """
    check_file(output)
    with told_as_wrong_input():
        from cell_lab.evaluate_soc import as_rows, evaluate
        from cell_lab.methods import METHODS, methods_without
        from cell_lab.published import read_published

        figures = read_published()
        trials = list(_trials(data, cell_params, disturb, hold_out))
    own = METHODS[0].name
    scores: dict[str, list[Score | None]] = {method.name: [] for method in METHODS}
    for cell, model, cases in trials:
        if not cases:
            print(f"{cell}: no recording that draws current for 20 minutes or more; left out")
            continue
        with progress() as tell:
            seen = cases[0].recording
            methods = methods_without(seen.cell, seen.chamber_c) if hold_out else METHODS
            found = evaluate(model, cases, partial(tell, f"{cell}, {len(cases)} cases"), methods)
        for name, lines in found.items():
            scores[name] += lines
    _print_table(scores, figures)
    rows = [line for line in scores[own] if line is not None]
    if len({line.profile for line in rows}) > 1:
        _print_means(scores)
    if output is not None:
        baselines = [
            {"estimator": name, **row}
            for name, lines in scores.items()
            if name != own
            for row in as_rows([line for line in lines if line is not None])
        ]
        text = json.dumps({"rows": as_rows(rows), "baselines": baselines}, indent=1)
        output.write_text(text + "\n", "utf-8")
    return 0


def _trials(
    data: Path, cell_params: str, disturb: str, hold_out: HoldOut | None
) -> "Iterator[tuple[str, CellModel, list[Case]]]":
    """Yield cells with the model to try and the cases to try it on."""
    from cell_lab.choose import choose_make, given
    from cell_lab.disturb import parse_disturbances
    from cell_lab.evaluate_soc import cases_of
    from cell_lab.hold_out import held_out
    from cell_lab.parameter_files import capacity_at_hand, read_ocv
    from cell_lab.recordings import read_recordings
    from station.estimators import build_cell_model, load_cell_parameters

    disturbances = parse_disturbances(disturb)
    named = None if cell_params == "auto" else load_cell_parameters(Path(cell_params))
    by_cell = defaultdict(list)
    for recording in read_recordings(data, None, capacity_at_hand(named)):
        by_cell[recording.cell].append(recording)
    for cell, recordings in by_cell.items():
        if hold_out is not None:
            ocv = read_ocv(hold_out.ocv_from) if hold_out.ocv_from else None
            for trial in held_out(
                recordings,
                disturbances,
                hold_out.chemistry,
                ocv,
                hold_out.without,
                calibrated=True,
            ):
                yield f"{cell} without {trial.chamber_c:g} C", trial.model, trial.cases
        else:
            choice = given(named, recordings) if named else choose_make(cell, recordings)
            _print_choice(cell, choice, named is not None)
            yield cell, build_cell_model(choice.parameters), cases_of(recordings, disturbances)


def _print_choice(cell: str, choice: "Choice", told: bool) -> None:  # noqa: FBT001 - a fact
    """Say which make was taken where nobody named it, and warn of one that cannot be it."""
    make, off_mv = choice.parameters.make, 1000 * choice.misfit_v
    if not told and not choice.by_name:
        print(f"{cell}: no make of that name; taken is what fits best: {make}")
    if not choice.fits:
        print(
            f"{cell}: its voltage is {off_mv:.0f} mV (rms) away from what {make} would have at the "
            "true SOC: this is another make, or another chemistry. Do not rely on the figures; "
            "identify the cell: ./stationmaster identify --data FILE --make NAME --out FILE"
        )


def _print_means(scores: Scores) -> None:
    """Print the mean RMSE of each disturbance: of all lines, one row."""
    from rich.console import Console
    from rich.table import Table

    from cell_lab.methods import METHODS

    table = Table(box=None, pad_edge=False, title="mean RMSE over the recordings, %")
    table.add_column("Disturbance", no_wrap=True)
    for method in METHODS:
        table.add_column(method.title, justify="right")
    own = scores[METHODS[0].name]
    for disturbance in dict.fromkeys(line.disturbance for line in own if line is not None):
        cells = []
        for lines in scores.values():
            known = [line.rmse_pct for line in lines if line and line.disturbance == disturbance]
            cells.append(f"{fmean(known):.2f}" if known else "–")
        table.add_row(disturbance, *cells)
    Console(width=_LEAST_WIDTH).print(table)


def _print_table(scores: Scores, figures: "Sequence[PublishedFigure]") -> None:
    from rich.console import Console
    from rich.table import Table

    from cell_lab.methods import METHODS
    from cell_lab.published import best_published

    table = Table(box=None, pad_edge=False, title="RMSE in % of SOC; max, in band: ours")
    for title in ("Cell", "Profile", "Disturbance"):
        table.add_column(title, no_wrap=True)
    heads = [method.title for method in METHODS]
    for title in (*heads, "published", "max %", "in band %", "converged s"):
        table.add_column(title, justify="right")
    beside: dict[PublishedFigure, None] = {}
    for lines in zip(*scores.values(), strict=True):
        own = lines[0]
        if own is None:
            continue
        figure = best_published(figures, own.cell, own.profile, own.disturbance)
        if figure is not None:
            beside[figure] = None
        table.add_row(
            own.cell,
            own.profile,
            own.disturbance,
            *("–" if line is None else f"{line.rmse_pct:.2f}" for line in lines),
            "–" if figure is None else f"{figure.rmse_pct:.2f}",
            f"{own.max_pct:.1f}",
            "–" if own.coverage_pct is None else f"{own.coverage_pct:.0f}",
            "never" if own.converge_s is None else f"{own.converge_s:.0f}",
        )
    console = Console()
    if console.width < _LEAST_WIDTH:  # a pipe has no width, and half a name is none
        console = Console(width=_LEAST_WIDTH)
    console.print(table)
    for figure in beside:
        print(f"published {figure.rmse_pct:.2f}: {figure.method}, {figure.source}")
        print(f"  on {figure.conditions}: not these very recordings")
