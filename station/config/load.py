"""The whole file: read, checked against itself, with absolute paths."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from contract.tags import container_of, is_container
from station.config.centre import CentreConfig
from station.config.control import (
    ControlConfig,
    LimitsConfig,
    ProtectionConfig,
    RegulationConfig,
    SafeStateConfig,
)
from station.config.dispatch import (
    BalancingConfig,
    ConnectionConfig,
    FastFrequencyConfig,
    FastLoopConfig,
    HandoverConfig,
    PrimaryFrequencyConfig,
    ReactiveConfig,
    SplitConfig,
)
from station.config.estimators import EstimatorsConfig
from station.config.models import ModelsConfig
from station.config.section import Section
from station.config.site import CloudConfig, DeviceConfig, Role, SiteConfig, StalenessConfig
from station.config_errors import WHOLE_FILE, ConfigError, Fault, faults_of, refuse


class StationConfig(Section):
    """The whole file."""

    station: SiteConfig
    devices: tuple[DeviceConfig, ...] = Field(min_length=1)
    cloud: CloudConfig
    safe_state: SafeStateConfig = SafeStateConfig()
    control: ControlConfig = ControlConfig()
    limits: LimitsConfig = LimitsConfig()
    staleness: StalenessConfig = StalenessConfig()
    protection: ProtectionConfig = ProtectionConfig()
    regulation: RegulationConfig | None = None
    centre: CentreConfig | None = None
    fast_loop: FastLoopConfig = FastLoopConfig()
    handover: HandoverConfig = HandoverConfig()
    split: SplitConfig = SplitConfig()
    connection: ConnectionConfig = ConnectionConfig()
    balancing: BalancingConfig = BalancingConfig()
    primary_frequency: PrimaryFrequencyConfig | None = None
    fast_frequency: FastFrequencyConfig | None = None
    reactive: ReactiveConfig | None = None
    estimators: EstimatorsConfig | None = None
    models: ModelsConfig = ModelsConfig()

    def with_role(self, role: Role) -> tuple[DeviceConfig, ...]:
        """Return the devices of one role, in file order."""
        return tuple(device for device in self.devices if device.role is role)


def _beside(folder: Path, path: Path | None) -> Path | None:
    return None if path is None else folder / path.expanduser()


def _of_cells(folder: Path, bundle: Path, curves: Path | None) -> dict[str, Path | None]:
    """Return the absolute paths of what is known of a make of cells."""
    return {"bundle": folder / bundle.expanduser(), "health_curves": _beside(folder, curves)}


def load(file: Path) -> StationConfig:
    """Read and check a configuration file.

    Raises:
        ConfigError: the file cannot be read, is no TOML, or holds wrong keys or values; names all.
    """
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        fault = Fault(WHOLE_FILE, None, f"cannot be read: {error.strerror}")
        raise ConfigError(file, fault) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(file, Fault(WHOLE_FILE, None, f"is no TOML: {error}")) from error
    refuse(file, _of_another_tier(document))
    try:
        config = StationConfig.model_validate(document)
    except ValidationError as error:
        raise ConfigError(file, *faults_of(error, StationConfig)) from error
    refuse(file, chain.from_iterable(rule(config) for rule in _RULES))
    return _with_absolute_paths(config, file.resolve().parent)


def readable_devices(file: Path) -> Iterator[tuple[int, DeviceConfig]]:
    """Yield the devices of a file that `load` refuses, each with its number.

    What is wrong with one is left out, so that its driver and profile can still be looked at and
    all mistakes be told together; a device without either is not among them.
    """
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return
    listed = document.get("devices", [])
    for number, raw in enumerate(listed if isinstance(listed, list) else []):
        try:
            device = DeviceConfig.model_validate(raw)
        except ValidationError as error:
            wrong = {one["loc"][0] for one in error.errors() if one["loc"]} | {"role"}
            known = {k: v for k, v in dict(raw).items() if k not in wrong}
            stand_ins = {"tag": f"devices[{number}]", "port": 1, "role": Role.METER}
            try:
                device = DeviceConfig.model_validate({**stand_ins, **known})
            except ValidationError:
                continue
        yield number, _device_paths(file.resolve().parent, device)


def _of_another_tier(document: dict[str, Any]) -> Iterator[Fault]:
    """Name a file of another tier, instead of its keys that are unknown here."""
    for tier, keys in (("cloud", {"data_dir", "workers", "edge"}), ("plant", {"plant", "ports"})):
        if keys & document.keys() and not {"station", "devices"} & document.keys():
            remedy = f"is the file of a {tier}; give the station's, which has [station]"
            yield Fault(WHOLE_FILE, None, remedy)


def _twice(config: StationConfig) -> Iterator[Fault]:
    """Two devices of one tag are not told apart; two at one address are one device read twice."""
    tags: set[str] = set()
    known: dict[tuple[str, int, int, str, str, int], str] = {}
    for number, device in enumerate(config.devices):
        if device.tag in tags:
            yield Fault(f"devices[{number}].tag", device.tag, "is used twice; tags are unique")
        tags.add(device.tag)
        place = (device.host, device.port, device.unit, device.ied, device.topic, device.instance)
        other = known.setdefault(place, device.tag)
        if other != device.tag:
            where = f"{device.host}:{device.port} unit {device.unit}"
            remedy = f"{device.tag} and {other} are both at {where}; give each its own"
            if device.driver == "modbus":
                remedy += ", or, where one unit has several like devices, its instance: FILE.toml#2"
            yield Fault(f"devices[{number}].port", device.port, remedy)


def _misplaced(config: StationConfig) -> Iterator[Fault]:
    """A container has one converter, and a rack is in the container of one."""
    converters: dict[str, str] = {}
    for number, device in enumerate(config.devices):
        if device.role is not Role.PCS:
            continue
        other = converters.setdefault(device.container, device.tag)
        if other != device.tag:
            remedy = f"{device.tag} and {other} are both in it; give each converter its own"
            yield Fault(f"devices[{number}].container", device.container, remedy)
    for number, device in enumerate(config.devices):
        if device.role is Role.RACK and device.container not in converters:
            remedy = f"no converter is in it; name the container of rack {device.tag}'s converter"
            yield Fault(f"devices[{number}].container", device.container, remedy)


def _misnamed(config: StationConfig) -> Iterator[Fault]:
    """A tag names the container of its device: the cloud learns from tags where devices stand."""
    for number, device in enumerate(config.devices):
        key, named = f"devices[{number}].tag", container_of(device.tag)
        if device.container and not is_container(device.container):
            remedy = "names no container: letters and a number, e.g. container = 'C1'"
            yield Fault(f"devices[{number}].container", device.container, remedy)
        elif device.container and named != device.container:
            example = f"{device.container}-{device.tag.removeprefix(f'{named}-')}"
            remedy = (
                f"the tag of a device in container {device.container} begins with "
                f"'{device.container}-', by which the console finds it; e.g. tag = {example!r}"
            )
            yield Fault(key, device.tag, remedy)
        elif named and not device.container:
            remedy = (
                f"says that it is in container {named}, and its container is not given; add "
                f"container = {named!r}, or take a tag that does not begin with '{named}-'"
            )
            yield Fault(key, device.tag, remedy)


def _beyond_rating(config: StationConfig) -> Iterator[Fault]:
    asked_kw, rated_kw = config.safe_state.power_kw, config.station.rated_power_kw
    if abs(asked_kw) > rated_kw:
        remedy = f"is beyond station.rated_power_kw = {rated_kw:g}"
        yield Fault("safe_state.power_kw", asked_kw, remedy)


def _makes(config: StationConfig) -> Iterator[Fault]:
    """A rack has cells of one make, and a make is that of racks."""
    if config.estimators is None:
        return
    racks = {rack.tag for rack in config.with_role(Role.RACK)}
    seen: set[str] = set()
    for number, make in enumerate(config.estimators.makes):
        for tag in make.racks:
            key = f"estimators.makes[{number}].racks"
            if tag not in racks:
                yield Fault(key, tag, "is no rack of this station; name a device of role rack")
            elif tag in seen:
                yield Fault(key, tag, "is named twice; a rack has cells of one make")
            seen.add(tag)
    if not racks - seen:
        remedy = "is the model of no rack; leave one rack out of estimators.makes"
        yield Fault("estimators.bundle", str(config.estimators.bundle), remedy)


_RULES = (_twice, _misplaced, _misnamed, _beyond_rating, _makes)
"""What the sections of a file must agree on."""


def _centre_paths(folder: Path, centre: CentreConfig | None) -> CentreConfig | None:
    """Return the section with absolute paths; a list that ships keeps its bare name."""
    if centre is None:
        return None
    changes: dict[str, Any] = {}
    if centre.points and (folder / centre.points).is_file():
        changes["points"] = str(folder / centre.points)
    if centre.tls is not None:
        files = {name: folder / path for name, path in dict(centre.tls).items()}
        changes["tls"] = centre.tls.model_copy(update=files)
    return centre.model_copy(update=changes)


def _device_paths(folder: Path, device: DeviceConfig) -> DeviceConfig:
    """Return a device with absolute paths; a file that ships keeps its bare name."""
    changes: dict[str, Any] = {"access": _beside(folder, device.access)}
    # A profile may name one of several devices that it describes: file.toml#2.
    if (folder / device.profile.partition("#")[0]).is_file():
        changes["profile"] = str(folder / device.profile)
    if device.mapping and (folder / device.mapping).is_file():
        changes["mapping"] = str(folder / device.mapping)
    return device.model_copy(update=changes)


def _with_absolute_paths(config: StationConfig, folder: Path) -> StationConfig:
    site = config.station.model_copy(update={"data_dir": folder / config.station.data_dir})
    cloud = config.cloud.model_copy(
        update={
            "ca": _beside(folder, config.cloud.ca),
            "token_file": _beside(folder, config.cloud.token_file),
        }
    )
    regulation = config.regulation
    if regulation is not None:
        regulation = regulation.model_copy(update={"file": folder / regulation.file})
    own = config.protection
    protection = own.model_copy(
        update={name: _beside(folder, getattr(own, name)) for name in type(own).model_fields}
    )
    estimators = config.estimators
    if estimators is not None:
        makes = tuple(
            make.model_copy(update=_of_cells(folder, make.bundle, make.health_curves))
            for make in estimators.makes
        )
        of_all = _of_cells(folder, estimators.bundle, estimators.health_curves)
        estimators = estimators.model_copy(update={**of_all, "makes": makes})
    devices = tuple(_device_paths(folder, device) for device in config.devices)
    return config.model_copy(
        update={
            "station": site,
            "cloud": cloud,
            "protection": protection,
            "regulation": regulation,
            "centre": _centre_paths(folder, config.centre),
            "estimators": estimators,
            "devices": devices,
        }
    )
