"""What takes power away from racks, containers and the station beside the BMS's own limits."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from contract.limits import LimitReason


@dataclass(frozen=True)
class Restraint:
    """What a finding leaves of the power that would be allowed without it.

    Attributes:
        charge, discharge: factors, 0..1.
        reason, device, cell: why, for the bound that it makes.
    """

    charge: float
    discharge: float
    reason: LimitReason
    device: str
    cell: int | None = None


@dataclass(frozen=True)
class MapLimit:
    """What the cell map allows one rack in one direction, and which cell binds."""

    current_a: float
    reason: LimitReason
    cell: int | None


@dataclass(frozen=True)
class Restraints:
    """Everything that findings and cell maps take away.

    Attributes:
        racks, containers: restraints by rack tag and by container name.
        station: restraints of the whole station.
        maps: (charge, discharge) of the cell map by rack tag.
    """

    racks: Mapping[str, tuple[Restraint, ...]] = field(default_factory=dict)
    containers: Mapping[str, tuple[Restraint, ...]] = field(default_factory=dict)
    station: tuple[Restraint, ...] = ()
    maps: Mapping[str, tuple[MapLimit, MapLimit]] = field(default_factory=dict)
