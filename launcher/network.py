"""`./stationmaster train network`: the SOC network from the shell."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from launcher.errors import WrongInput
from launcher.lab_errors import check_folder, told_as_wrong_input
from launcher.paths import DATA
from launcher.progress import progress

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
        from cell_lab.network.scores import score_alone
        from cell_lab.network.splits import SPLITS_FILE, read_splits
        from cell_lab.network.training import CHECKPOINT_FILE, Settings

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
        with progress(stays=True) as show:
            trained = train_network(recordings, splits, out, plan, show, resume=resume)
            if not wishes.plain:
                sd_times = trained.facts.trust.sd_times
                network = trained.fitted.network
                alone = score_alone(network, recordings, splits, plan.fold, sd_times)
                write_card(model_card(trained, plan, splits, recordings, alone), out)
    print(
        f"{out}: trained, {trained.facts.parameters} numbers; ONNX within {trained.difference:.0e}"
    )
    return 0


def run_train_trust(data: Path, networks: Path) -> int:
    """Try the networks of all folds where they never were, and write how far each is trusted.

    Raises:
        WrongInput: a file is wrong or missing.
    """
    check_folder(networks)
    with told_as_wrong_input():
        from cell_lab.network.card import CARD_FILE, trusted_card, write_card
        from cell_lab.network.folds import folder_of, try_folds, write_trust
        from cell_lab.network.run import read_folder
        from cell_lab.network.splits import SPLITS_FILE, read_splits

        splits = read_splits(networks / SPLITS_FILE)
        recordings = read_folder(data)
        with progress(stays=True) as show:
            folds = try_folds(recordings, splits, networks, show)
        day = datetime.now(UTC).date().isoformat()
        for fold in folds:
            folder = folder_of(networks, fold.name)
            write_trust(fold, networks)
            card = (folder / CARD_FILE).read_text("utf-8")
            write_card(trusted_card(card, fold, day), folder)
            for chemistry, trust in fold.trusts.items():
                said = (
                    "in nothing" if trust.is_nothing else f"as one witness in {trust.lasts_s:.0f} s"
                )
                print(f"{folder}: trusted at {chemistry} cells {said}")
    return 0
