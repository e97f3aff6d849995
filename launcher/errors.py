"""Errors of the command line: each says what failed, where, and what to do."""

import contextlib
from collections.abc import Iterator
from pathlib import Path


class LauncherError(Exception):
    """Root of everything the command line reports in one sentence instead of a traceback.

    Attributes:
        status: what the command ends with; 1: something failed at work.
    """

    status = 1


class WrongInput(LauncherError):  # noqa: N818 - reads as a fact: wrong input
    """An argument, an option or a configuration file cannot be used as it stands."""

    status = 2


class Faults:
    """Faults of what was asked, told together: whoever mends one learns of all."""

    def __init__(self) -> None:
        self._told: list[str] = []

    @contextlib.contextmanager
    def gathered(self) -> Iterator[None]:
        """Keep a fault until `refuse`."""
        try:
            yield
        except WrongInput as error:
            self._told.append(str(error))

    def refuse(self) -> None:
        """Tell what was gathered, a line for each.

        Raises:
            WrongInput: something was.
        """
        if self._told:
            raise WrongInput("\n".join(self._told))


class ChildStartError(LauncherError):
    """A process did not become ready."""

    def __init__(self, name: str, reason: str, log: Path) -> None:
        super().__init__(
            f"{name} did not start: {reason}. Its log is {log}; the last lines are above."
        )
        self.log = log


class ChildEndedError(LauncherError):
    """A process ended by itself while it was needed."""

    def __init__(self, name: str, ending: str, log: Path) -> None:
        super().__init__(f"{name}: {ending}. Its log is {log}; the last lines are above.")
        self.log = log


class CloudAnswerError(LauncherError):
    """The cloud answered a request of the launcher with a refusal."""

    def __init__(self, method: str, path: str, http_status: int, body: str) -> None:
        super().__init__(f"{method} {path}: the cloud answered {http_status}: {body[:400]}")
        self.http_status = http_status


class ScenarioError(WrongInput):
    """A scenario name or file cannot be used."""


class UnknownBenchError(WrongInput):
    """There is no benchmark of that name."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(f"no benchmark is called {name!r}; there are: {', '.join(known)}")


@contextlib.contextmanager
def told_by_cloud(config: Path | None = None) -> Iterator[None]:
    """Tell errors of the cloud's parts as the command line's own.

    Args:
        config: the configuration file that they were given, where there is one.

    Raises:
        WrongInput: the configuration cannot be used.
        LauncherError: something else cannot be done; the text says what.
    """
    from cloud.errors import CloudError, ConfigError

    try:
        yield
    except ConfigError as error:
        raise WrongInput(str(error if config is None else error.of(config))) from error
    except CloudError as error:
        raise LauncherError(str(error)) from error
