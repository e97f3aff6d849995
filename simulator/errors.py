"""What can go wrong in the simulator, said with the place and the remedy."""

from pathlib import Path


class SimulatorError(Exception):
    """Root of all errors of the simulator."""


class ConfigError(SimulatorError):
    """A configuration, scenario or data file says something the simulator cannot do."""

    def __init__(self, file: Path, key: str, value: object, remedy: str) -> None:
        self.file = file
        self.key = key
        self.value = value
        self.remedy = remedy
        shown = "" if value is None else f" = {value!r}"
        super().__init__(f"{file}: {key}{shown}: {remedy}")


class IcdError(SimulatorError):
    """An ICD file cannot become a server's data model."""

    def __init__(self, file: Path, where: str, remedy: str) -> None:
        self.file = file
        super().__init__(f"{file}: {where}: {remedy}")


class ServerStartError(SimulatorError):
    """A device server cannot listen."""

    def __init__(self, device: str, host: str, port: int, reason: str) -> None:
        self.device = device
        super().__init__(
            f"{device} cannot listen on {host}:{port}: {reason}; "
            "free the port or set ports.base = 0 to let the simulator choose"
        )
