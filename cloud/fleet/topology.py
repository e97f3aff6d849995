"""How a station is built, read from what it sends: containers, converters, racks, auxiliaries.

Device tags carry the container ("C1-PCS", "C1-R07": `contract.tags`); the layout says what a
device is. A station that has sent nothing yet has an empty topology.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from contract import tags
from contract.layouts import ESTIMATE, ESTIMATE_STATION

_NUMBERED = re.compile(r"(\D*)(\d*)")
_CELLS = "rack.cells/"
_ESTIMATES = (ESTIMATE.name, ESTIMATE_STATION.name)


@dataclass(frozen=True)
class Container:
    """One battery container; `pcs` is None where the converter stands elsewhere."""

    id: str
    pcs: str | None
    racks: tuple[str, ...]
    chiller: str | None
    insulation: str | None
    fire: str | None = None
    ventilation: str | None = None


@dataclass(frozen=True)
class Topology:
    """Device tags by their part in the station.

    `cells` is the number of cells of each rack; `estimated` are the racks, and the controller, of
    which the station estimates what no device sends.
    """

    controller: str | None = None
    meter: str | None = None
    fire: str | None = None
    panel: str | None = None
    containers: tuple[Container, ...] = ()
    cells: tuple[tuple[str, int], ...] = ()
    estimated: tuple[str, ...] = ()

    @property
    def racks(self) -> tuple[str, ...]:
        """All racks, container by container."""
        return tuple(rack for container in self.containers for rack in container.racks)

    def container_of(self, device: str) -> Container | None:
        """The container that a device is in."""
        named = tags.container_of(device)
        return next((c for c in self.containers if c.id == named), None)

    def cell_count(self, rack: str) -> int | None:
        """How many cells a rack has; None while unknown."""
        return dict(self.cells).get(rack)


def natural(tag: str) -> tuple[tuple[str, int], ...]:
    """Return the key of the order in which people count: C2 before C10."""
    return tuple((text, int(digits or 0)) for text, digits in _NUMBERED.findall(tag))


def from_devices(devices: Iterable[tuple[str, str]]) -> Topology:
    """Build the topology from (device tag, layout name) pairs."""
    by_layout: dict[str, list[str]] = {}
    cells = {}
    for device, layout in sorted(devices, key=lambda one: (natural(one[0]), one)):
        if layout.startswith(_CELLS):
            cells[device] = int(layout.removeprefix(_CELLS))
        else:
            by_layout.setdefault(layout, []).append(device)
    named = {tags.container_of(device) for found in by_layout.values() for device in found}
    containers = sorted(named - {""}, key=natural)
    return Topology(
        controller=_first(by_layout.get("station")),
        meter=_first(by_layout.get("meter")),
        fire=_first(_outside(by_layout.get("fire", ()))),
        panel=_first(_outside(by_layout.get("panel", ()))),
        containers=tuple(_container(tag, by_layout) for tag in containers),
        cells=tuple(sorted(cells.items())),
        estimated=tuple(tag for layout in _ESTIMATES for tag in by_layout.get(layout, ())),
    )


def _container(tag: str, by_layout: dict[str, list[str]]) -> Container:
    def of(layout: str) -> tuple[str, ...]:
        return tuple(d for d in by_layout.get(layout, ()) if d.startswith(f"{tag}-"))

    return Container(
        id=tag,
        pcs=_first(of("pcs")),
        racks=of("rack"),
        chiller=_first(of("chiller")),
        insulation=_first(of("insulation")),
        fire=_first(of("fire")),
        ventilation=_first(of("ventilation")),
    )


def _outside(devices: Iterable[str]) -> list[str]:
    """Return the devices that belong to no container."""
    return [device for device in devices if not tags.container_of(device)]


def _first(devices: Iterable[str] | None) -> str | None:
    return next(iter(devices or ()), None)
