"""`./stationmaster market retrain`: learn a bidding policy anew, now, in a process of its own."""

import asyncio
import getpass
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from launcher.errors import LauncherError, WrongInput, told_by_cloud
from launcher.market_errors import told_as_wrong_market_input
from launcher.progress import Tell, progress

if TYPE_CHECKING:
    from cloud.children import Child
    from cloud.config import CloudConfig
    from cloud.config_training import TrainingSection
    from cloud.db import Pool
    from cloud.market.retraining import Training
    from cloud.trainer import TrainerTask

_LOOK_S: Final = 0.5
_STOP_S: Final = 5.0


@dataclass(frozen=True)
class RetrainWish:
    """The command's options; None: what the configuration says."""

    station: str | None
    market: str | None
    price: str | None
    day_ahead: str | None
    unseen_weeks: int | None
    steps: int | None
    seeds: int | None
    allow_short_history: bool | None


def run_retrain(config: Path, wish: RetrainWish, *, look: bool = False) -> int:
    """Train, show how far it is, and print the verdict; 0 whatever the gate says.

    With `look` nothing is trained: the start script lets it say what is wrong with file and options
    before it installs PyTorch.

    Raises:
        WrongInput: the configuration or an option cannot be used.
        LauncherError: nothing came of it; the text says why.
    """
    with told_as_wrong_market_input(), told_by_cloud(config):
        from cloud.config import load
        from cloud.db.running import running_dsn
        from cloud.trainer import TrainerTask

        loaded = load(config)
        section = chosen(loaded, wish)
        task = TrainerTask(loaded, running_dsn(loaded), section, _who())
        if look:
            asyncio.run(_look(task))
            return 0
        trained = asyncio.run(_run(task))
        print("\n".join(told(trained)))
    return 0


def chosen(config: "CloudConfig", wish: RetrainWish) -> "TrainingSection":
    """Return the section of the configuration that is meant, with the options in it.

    Raises:
        WrongInput: it is none, or one of several; an option is out of range.
    """
    from pydantic import ValidationError

    from cloud.config_training import TrainingSection

    options = {name: value for name, value in asdict(wish).items() if value is not None}
    there = [
        one
        for one in config.market.trainings
        if wish.station in (None, one.station) and wish.market in (None, one.market)
    ]
    if len(there) > 1:
        names = ", ".join(f"{one.station} at {one.market}" for one in there)
        raise WrongInput(f"--station, --market: choose one of {names}")
    if not there and not {"station", "market", "price"} <= options.keys():
        raise WrongInput(
            "the configuration has no such [[market.trainings]]: add it, or give --station, "
            "--market and --price"
        )
    try:
        return there[0].changed(options) if there else TrainingSection.model_validate(options)
    except ValidationError as error:
        first = error.errors()[0]
        option = "--" + str(first["loc"][0]).replace("_", "-")
        raise WrongInput(f"{option} {first['input']}: {first['msg']}") from error


def told(trained: "Training") -> list[str]:
    """Return what became of a training, in words."""
    verdict, wish = trained.verdict, trained.wish
    if verdict is None or trained.model is None:
        return [f"not trained: {trained.error}"]
    weeks = f"{wish.unseen_weeks} unseen weeks from {trained.unseen_from} to {trained.last_day}"
    worst = f"{verdict.cvar_policy:.2f}, by opportunity values {verdict.cvar_value:.2f}"
    lines = [
        f"{wish.station} at {wish.market}: learnt from {trained.first_day} on, judged on {weeks}",
        *trained.notes,
        f"the policy {verdict.reason}",
        f"mean loss of the worst 5 % of days: {worst}",
    ]
    if verdict.promoted:
        return [*lines, f"promoted: policy {trained.model[:12]} may bid"]
    return [*lines, "kept out: it never bids; what may bid so far may go on"]


async def _look(task: "TrainerTask") -> None:
    from cloud import fleet
    from cloud.db import create_pool

    pool = create_pool(task.dsn, 1, task.config.database.pool_timeout_s)
    await pool.open()
    try:
        await fleet.find(pool, task.section.station)
        await _require_alone(pool)
    finally:
        await pool.close()


async def _run(task: "TrainerTask") -> "Training":
    """Run the process to its end, telling how far it is; return what the record says then."""
    from cloud import fleet
    from cloud.children import Child
    from cloud.db import create_pool
    from cloud.market import retraining
    from cloud.trainer import MODULE

    pool = create_pool(task.dsn, 2, task.config.database.pool_timeout_s)
    await pool.open()
    try:
        await fleet.find(pool, task.section.station)
        await _require_alone(pool)
        child = Child("trainer", MODULE, task.to_json())
        child.start()
        try:
            with progress() as tell:
                await _watch(pool, task, child, tell)
        finally:
            child.ask_to_stop()
            child.stop(_STOP_S)
        found = await retraining.newest(pool, task.section.station, task.section.market)
        if found is not None and found.state is retraining.State.RUNNING:
            await _require_alone(pool)
    finally:
        await pool.close()
    if found is None or found.state is retraining.State.RUNNING:
        raise LauncherError("the training was cut off; the same command goes on with it")
    if found.state is retraining.State.FAILED:
        raise LauncherError(found.error)
    return found


async def _require_alone(pool: "Pool") -> None:
    from cloud.market import retraining

    if await retraining.goes_on(pool):
        raise LauncherError("another training goes on; there is one at a time: wait for its end")


async def _watch(pool: "Pool", task: "TrainerTask", child: "Child", tell: Tell) -> None:
    from cloud.market import retraining

    place = task.section.station, task.section.market
    while child.pid is not None:
        found = await retraining.newest(pool, *place)
        if found is not None and found.state is retraining.State.RUNNING and found.first_day:
            line = f"seed {found.seed + 1} of {found.wish.seeds}"
            tell("training", found.share, line)
        await asyncio.sleep(_LOOK_S)


def _who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "command line"
