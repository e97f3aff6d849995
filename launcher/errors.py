"""Errors of the command line: each says what failed, where, and what to do."""

from pathlib import Path


class LauncherError(Exception):
    """Root of everything the command line reports in one sentence instead of a traceback."""


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

    def __init__(self, method: str, path: str, status: int, body: str) -> None:
        super().__init__(f"{method} {path}: the cloud answered {status}: {body[:400]}")
        self.status = status


class ScenarioError(LauncherError):
    """A scenario name or file cannot be used."""


class UnknownBenchError(LauncherError):
    """There is no benchmark of that name."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(f"no benchmark is called {name!r}; there are: {', '.join(known)}")
