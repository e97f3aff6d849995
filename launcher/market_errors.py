"""What the market desk refuses, told as the command line tells wrong input."""

from collections.abc import Iterator
from contextlib import contextmanager

from launcher.errors import WrongInput


@contextmanager
def told_as_wrong_market_input() -> Iterator[None]:
    """Tell what the market desk refuses as the command line tells wrong input.

    Raises:
        WrongInput: instead of an error of the desk, of a file, or of a missing library.
    """
    try:
        from cloud.market.errors import MarketError
    except ModuleNotFoundError as error:
        raise WrongInput(f"{error.name} is missing: pip install -e '.[market]'") from error
    try:
        yield
    except MarketError as error:
        raise WrongInput(str(error)) from error
    except ModuleNotFoundError as error:
        raise WrongInput(f"{error.name} is missing: pip install -e '.[market]'") from error
    except OSError as error:
        raise WrongInput(f"{error.filename}: {error.strerror}") from error
