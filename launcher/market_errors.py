"""What the market desk refuses, told as the command line tells wrong input."""

from collections.abc import Iterator
from contextlib import contextmanager

from launcher.errors import WrongInput

_LEARNING = {"gymnasium", "onnx", "stable_baselines3", "torch"}


@contextmanager
def told_as_wrong_market_input() -> Iterator[None]:
    """Tell what the market desk refuses as the command line tells wrong input.

    Raises:
        WrongInput: instead of an error of the desk, of a file, or of a missing library.
    """
    try:
        from cloud.market.errors import MarketError
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    try:
        yield
    except MarketError as error:
        raise WrongInput(str(error)) from error
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    except OSError as error:
        raise WrongInput(f"{error.filename}: {error.strerror}") from error


def _missing(error: ModuleNotFoundError) -> WrongInput:
    part = "policy" if (error.name or "").partition(".")[0] in _LEARNING else "market"
    return WrongInput(f"{error.name} is missing: pip install -e '.[{part}]'")
