"""The folder of one run of the demo: the user's own, or a temporary one that goes at the end.

A run holds a lock in its temporary folder, so that what a killed run left behind can be told
from what another run uses. A run that fails leaves its folder, because the logs say why.
"""

import contextlib
import fcntl
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from launcher.demo_config import Folders
from launcher.errors import WrongInput

_PREFIX = "stationmaster-demo-"
_IN_USE = "in-use"


@contextlib.contextmanager
def run_folder(keep: Path | None) -> Iterator[Folders]:
    """Yield the run's folder; afterwards remove it if it is temporary and nothing failed.

    Raises:
        WrongInput: `keep` cannot be used.
    """
    if keep is not None:
        yield Folders(_own_folder(keep))
        return
    root = Path(tempfile.mkdtemp(prefix=_PREFIX))
    with _held(root / _IN_USE):
        try:
            yield Folders(root)
        except Exception:
            print(
                f"stationmaster: configuration and logs of the failed run stay in {root}; "
                f"remove them with: rm -r {root}",
                file=sys.stderr,
            )
            raise
        shutil.rmtree(root, ignore_errors=True)


def again_commands(folder: Path) -> list[str]:
    """Return what starts a kept demo again, a terminal of its own for each."""
    tiers = (
        ("simulate", "plant/plant.toml"),
        ("simulate-exchange", "market/exchange.toml"),
        ("cloud", "cloud/cloud.toml"),
        ("station", "station/station.toml"),
    )
    return [f"./stationmaster {tier} {shlex.quote(str(folder / file))}" for tier, file in tiers]


def left_behind() -> list[Path]:
    """Return temporary folders of runs that were killed or failed, oldest name first."""
    folders = sorted(Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"))
    return [folder for folder in folders if folder.is_dir() and not _is_held(folder / _IN_USE)]


def _own_folder(keep: Path) -> Path:
    try:
        keep.mkdir(parents=True, exist_ok=True)
        occupied = any(keep.iterdir())
    except FileExistsError as error:
        raise WrongInput(f"--keep {keep}: is a file. Remedy: name a folder.") from error
    except OSError as error:
        raise WrongInput(
            f"--keep {keep}: {error.strerror}. Remedy: name a folder that can be written."
        ) from error
    if occupied:
        raise WrongInput(
            f"--keep {keep}: the folder is not empty. Remedy: name a new or empty folder; "
            "docs/engineer.md says how a demo that was kept is started again."
        )
    return keep.resolve()


@contextlib.contextmanager
def _held(file: Path) -> Iterator[None]:
    """Hold the lock; the kernel gives it back however this process ends."""
    handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _is_held(file: Path) -> bool:
    """Whether a run holds the lock; one that cannot be tried belongs to somebody else."""
    try:
        handle = os.open(file, os.O_RDWR)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
