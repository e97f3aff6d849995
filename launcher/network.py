"""`./stationmaster train network`: the SOC network from the shell."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from launcher.errors import WrongInput
from launcher.lab_errors import check_folder, told_as_wrong_input
from launcher.paths import DATA

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

NETWORKS = DATA / "models" / "network"


@dataclass(frozen=True)
class Wishes:
    """What the shell may choose; the rest is the house's.

    Attributes:
        fold: of the splits: what is held out.
        steps: of the training.
        seed: the same gives the same network.
        made: series of made cells; variants: of each 2000 s of a recording.
        plain: train the plain GRU that the others are compared with.
    """

    fold: str = "all"
    steps: int = 2000
    seed: int = 1
    made: int = 1500
    variants: int = 10
    plain: bool = False


def run_train_network(
    data: Path, out: Path, splits_file: Path | None, wishes: Wishes, *, resume: bool
) -> int:
    """Train a network, prove it, try it on what it never saw, and write it with its card.

    Raises:
        WrongInput: a file is wrong, or a training would be lost.
    """
    check_folder(out)
    with told_as_wrong_input():
        from cell_lab.network.card import model_card, write_card
        from cell_lab.network.prepare import Amounts
        from cell_lab.network.run import Plan, read_folder, train_network
        from cell_lab.network.scores import Scores, score_alone, score_fused
        from cell_lab.network.splits import SPLITS_FILE, read_splits
        from cell_lab.network.training import CHECKPOINT_FILE, Settings
        from station.estimators.network import load_network

        if not resume and (out / CHECKPOINT_FILE).exists():
            raise WrongInput(
                f"{out}: holds a training already; go on with it by --resume, or name another "
                "folder by --out"
            )
        settings = Settings(steps=wishes.steps, seed=wishes.seed, raw=wishes.plain)
        amounts = Amounts(variants=wishes.variants, made=wishes.made)
        plan = Plan(fold=wishes.fold, amounts=amounts, settings=settings, seed=wishes.seed)
        splits = read_splits(splits_file or NETWORKS / SPLITS_FILE)
        recordings = read_folder(data)
        out.mkdir(exist_ok=True)
        with _bar() as bar:
            show = _Shown(bar)
            trained = train_network(recordings, splits, out, plan, show, resume=resume)
            if not wishes.plain:
                sd_times = trained.facts.trust.sd_times
                network = trained.fitted.network
                alone = score_alone(network, recordings, splits, plan.fold, sd_times)
                fused = score_fused(
                    load_network(out),
                    recordings,
                    splits,
                    plan.fold,
                    progress=lambda share: show("trial", share, ""),
                )
                scores = Scores(alone, fused)
                write_card(model_card(trained, plan, splits, recordings, scores), out)
    print(
        f"{out}: trained, {trained.facts.parameters} numbers; ONNX within {trained.difference:.0e}"
    )
    return 0


def _bar() -> "Progress":
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[line]}"),
    )


class _Shown:
    """Shows each part of the work as a bar of its own."""

    def __init__(self, bar: "Progress") -> None:
        self._bar = bar
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, part: str, share: float, line: str) -> None:
        if part not in self._tasks:
            self._tasks[part] = self._bar.add_task(part, total=1.0, line="")
        self._bar.update(self._tasks[part], completed=share, line=line)
