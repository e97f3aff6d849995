"""What the laboratory cannot do, told as the command line tells wrong input."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from launcher.errors import WrongInput

_EXTRAS = {"sklearn": "soh", "onnx": "soh", "threadpoolctl": "soh", "torch": "train"}


@contextmanager
def told_as_wrong_input() -> Iterator[None]:
    """Tell what the laboratory refuses as the command line tells wrong input."""
    try:
        from cell_lab.errors import LabError
        from station.estimators.errors import EstimatorError
    except ModuleNotFoundError as error:
        raise WrongInput(f"{error.name} is missing: pip install -e '.[lab]'") from error
    try:
        yield
    except (LabError, EstimatorError) as error:
        raise WrongInput(str(error)) from error
    except ModuleNotFoundError as error:
        root = (error.name or "").partition(".")[0]
        extra = _EXTRAS.get(root, "lab")
        raise WrongInput(f"{error.name} is missing: pip install -e '.[{extra}]'") from error
    except OSError as error:
        raise WrongInput(f"{error.filename}: {error.strerror}") from error


def check_folder(output: Path | None) -> None:
    """Tell before the work, not after it, that there is no place for its result.

    Raises:
        WrongInput: the file's folder is missing.
    """
    if output is None:
        return
    if not output.absolute().parent.is_dir():
        raise WrongInput(f"{output}: there is no folder {output.absolute().parent}; make it first")


def check_file(output: Path | None) -> None:
    """Tell before the work that a result cannot be written as this file.

    Raises:
        WrongInput: the file's folder is missing, or it is a folder itself.
    """
    check_folder(output)
    if output is not None and output.is_dir():
        raise WrongInput(f"{output}: is a folder; name a file in it")
