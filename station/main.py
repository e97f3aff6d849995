"""The station's command line: run, enrol, or ask the running one from beside it.

What is wrong is said in one line for each fault, with what to do. Wrong arguments and configuration
end with status 2, what fails at work with 1; a stop by SIGTERM or Ctrl-C is a clean end with 0.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

from contract.orders import OrderKind
from station import config as configuration
from station.config import DeviceConfig, StationConfig
from station.config_errors import WHOLE_FILE, ConfigError, Fault, refuse
from station.data_lock import held
from station.errors import StationError
from station.logs import set_up_logging
from station.on_site import ask
from station.on_site_view import told
from station.security import Identity, IdentityError, load_identity
from station.security.enrol import EnrolmentOffer, enrol, read_token

_WRONG_INPUT, _FAILED = 2, 1
_INSTALL_C104 = (
    ".venv/bin/python -m pip install --constraint constraints.txt --editable '.[iec104]', in the "
    "folder of stationmaster"
)


def main(arguments: Sequence[str]) -> int:
    """Run the command line; return the exit status."""
    if arguments and arguments[0] == "enrol":
        return _guarded(lambda: _enrol(_enrol_parser().parse_args(arguments[1:])))
    if arguments and arguments[0] == "on-site":
        return _guarded(lambda: _ask_on_site(_on_site_parser().parse_args(arguments[1:])))
    parsed = _run_parser().parse_args(arguments)
    set_up_logging(parsed.log_level)
    return _guarded(lambda: _run(parsed.config))


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with arguments as everything else is said."""

    def error(self, message: str) -> NoReturn:
        self.exit(_WRONG_INPUT, f"stationmaster: {message}; see {self.prog} --help\n")


def _run_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m station", description="Run the controller of one battery-storage station."
    )
    parser.add_argument("config", type=Path, help="configuration file (TOML)")
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning"))
    return parser


def _enrol_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m station enrol", description="Enrol this station with a one-time token."
    )
    parser.add_argument("config", type=Path, help="configuration file (TOML)")
    parser.add_argument("--token-file", type=Path, help="file with the one-time token")
    return parser


def _on_site_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m station on-site",
        description="Ask the station that runs with this configuration, standing beside it.",
    )
    parser.add_argument("config", type=Path, help="configuration file (TOML)")
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--reset", metavar="TARGET", help="device whose latch is reset, or station")
    one.add_argument("--schedule", type=Path, metavar="FILE", help="a day's powers (JSON)")
    return parser


def _ask_on_site(parsed: argparse.Namespace) -> int:
    """Hand a request to the running station; the status is 0 when it was accepted.

    Without a request, say what the station holds.
    """
    data_dir = configuration.load(parsed.config).station.data_dir
    if parsed.reset is None and parsed.schedule is None:
        print("\n".join(told(data_dir)))
        return 0
    if parsed.reset is not None:
        accepted, reason = ask(data_dir, OrderKind.RESET, {"target": parsed.reset})
    else:
        try:
            payload = json.loads(parsed.schedule.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            fault = Fault(WHOLE_FILE, None, f"cannot be read as a schedule: {error}")
            raise ConfigError(parsed.schedule, fault) from error
        accepted, reason = ask(data_dir, OrderKind.SCHEDULE, payload)
    print(f"{'accepted' if accepted else 'refused'}: {reason}")
    return 0 if accepted else 1


def _guarded(action: Callable[[], int]) -> int:
    try:
        return action()
    except StationError as error:
        for line in str(error).splitlines():
            print(f"stationmaster: {line}", file=sys.stderr)
        return _WRONG_INPUT if isinstance(error, ConfigError) else _FAILED


def _enrol(parsed: argparse.Namespace) -> int:
    config = configuration.load(parsed.config)
    cloud = config.cloud
    token_file = parsed.token_file or cloud.token_file
    asked = (
        ("cloud.enrol_url", cloud.enrol_url, "give the address of the enrolment listener"),
        ("cloud.ca", cloud.ca, "give the PEM file of the cloud's authority"),
        ("cloud.token_file", token_file, "give it here or as --token-file"),
    )
    missing = (Fault(key, None, f"is missing: {how}") for key, value, how in asked if value is None)
    refuse(parsed.config, missing)
    offer = EnrolmentOffer(
        station=config.station.id,
        url=str(cloud.enrol_url),
        authority=Path(str(cloud.ca)),
        token=_token(parsed.config, Path(str(token_file))),
    )
    with held(config.station.data_dir):
        enrol(offer, config.station.data_dir)
    print(f"station {config.station.id} is enrolled; its identity is in {config.station.data_dir}")
    return 0


def _token(config: Path, file: Path) -> str:
    try:
        return read_token(file)
    except IdentityError as error:
        raise ConfigError(config, Fault("cloud.token_file", str(file), str(error))) from error


def _loaded(file: Path) -> StationConfig:
    """Return a file's configuration.

    Raises:
        ConfigError: it is wrong; names all that is, in the devices' drivers and profiles, too.
    """
    try:
        return configuration.load(file)
    except ConfigError as error:
        devices = configuration.readable_devices(file)
        faults = _faults_of_devices(devices, roles=False)
        raise ConfigError(file, *error.faults, *faults) from error


def _faults_of_devices(
    devices: Iterable[tuple[int, DeviceConfig]], *, roles: bool = True
) -> Iterator[Fault]:
    """Load what describes each device; yield what is wrong.

    Args:
        devices: with their numbers in the file.
        roles: whether their roles are right, so that they can be compared with what they tell.
    """
    from station.devices import spec_of  # noqa: PLC0415 - enrolment needs no drivers
    from station.protocols import (  # noqa: PLC0415 - nor this
        ProfileError,
        ProtocolError,
        UnknownDriver,
        check_device,
    )

    for number, device in devices:
        try:
            told = check_device(device.driver, spec_of(device))
            if roles and told and device.role not in told:
                yield _other_role(number, device, told)
        except ProfileError as error:
            for one in (error, *error.also):
                yield Fault(f"devices[{number}].profile", device.profile, str(one))
        except ProtocolError as error:
            driver = isinstance(error, UnknownDriver)
            key, value = ("driver", device.driver) if driver else ("profile", device.profile)
            yield Fault(f"devices[{number}].{key}", value, str(error))


def _other_role(number: int, device: DeviceConfig, told: frozenset[str]) -> Fault:
    """Return that a device is not what its profile makes of it."""
    what = device.mapping if device.driver == "iec61850" and device.mapping else device.profile
    names = ", ".join(sorted(told))
    likely = next((repr(role.value) for role in type(device.role) if role in told), "")
    remedy = f"{device.tag} is none by {what}, which tells {names}; take the profile of a "
    remedy += f"{device.role}" + (f", or role = {likely}" if likely else "")
    return Fault(f"devices[{number}].role", device.role.value, remedy)


def _faults_of_named_files(config: StationConfig) -> Iterator[Fault]:
    """Load the files that a configuration names for devices and signals; yield what is wrong."""
    from station.dispatch.regulation import load_regulation  # noqa: PLC0415 - as above

    yield from _faults_of_devices(enumerate(config.devices))
    yield from _faults_of_estimators(config)
    yield from _faults_of_centre(config)
    signal_file = config.regulation
    if signal_file is not None:
        try:
            load_regulation(signal_file.file, signal_file.capacity_kw, signal_file.period_s)
        except StationError as error:
            yield Fault("regulation.file", str(signal_file.file), str(error))


def _faults_of_centre(config: StationConfig) -> Iterator[Fault]:
    """Load the point list of the dispatch centre, and look whether its library is installed."""
    from station.centre_desk import load_points_of  # noqa: PLC0415 - enrolment needs no port

    asked = config.centre
    if asked is None or asked.protocol != "iec104":
        return
    if find_spec("c104") is None:
        remedy = f"needs the package c104 (GPLv3): {_INSTALL_C104}"
        yield Fault("centre.protocol", asked.protocol, remedy)
    try:
        load_points_of(config)
    except ConfigError as error:
        for line in str(error).splitlines():
            yield Fault("centre.points", asked.points, line)


def _faults_of_estimators(config: StationConfig) -> Iterator[Fault]:
    """Look whether the estimators' models are there, and whether racks tell their cells."""
    from station.devices import cells_of_racks  # noqa: PLC0415 - enrolment needs no drivers
    from station.protocols import ProtocolError  # noqa: PLC0415 - nor this

    asked = config.estimators
    if asked is None:
        return
    bundles = [("estimators.bundle", asked.bundle)]
    bundles += [(f"estimators.makes[{n}].bundle", m.bundle) for n, m in enumerate(asked.makes)]
    for key, bundle in bundles:
        if not (bundle / "bundle.toml").is_file():
            yield Fault(key, str(bundle), "holds no bundle.toml; name the folder of a model")
    try:
        untold = sorted(tag for tag, cells in cells_of_racks(config).items() if not cells)
    except ProtocolError:
        return  # told of the device already
    if untold:
        remedy = f"the profile of {untold[0]} has no rack.cells; leave [estimators] out"
        yield Fault("estimators", None, remedy)


def _run(file: Path) -> int:
    config = _loaded(file)
    refuse(file, _faults_of_named_files(config))
    identity = load_identity(config.station.data_dir, config.station.id)
    os.umask(0o077)
    with (
        held(config.station.data_dir),
        asyncio.Runner(loop_factory=_loop_factory()) as runner,
    ):
        runner.run(_serve(config, identity))
    return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - optional: not on every platform
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


async def _serve(config: StationConfig, identity: Identity) -> None:
    from station.controller import Controller  # noqa: PLC0415 - enrolment needs no drivers

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await Controller(config, identity).run(stop)
