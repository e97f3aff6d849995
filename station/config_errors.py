"""What is wrong with a configuration file, said so that it can be mended."""

from pathlib import Path

from station.errors import StationError


class ConfigError(StationError):
    """A configuration is refused whole; names file, key, value and remedy."""

    def __init__(self, file: Path, key: str, value: object, remedy: str) -> None:
        """Build the sentence from its facts."""
        shown = "" if value is None else f" = {value!r}"
        super().__init__(f"{file}: {key}{shown}: {remedy}")
        self.file = file
        self.key = key
        self.value = value
        self.remedy = remedy
