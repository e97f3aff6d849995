"""Names of the plant's devices, cells and containers."""

METER = "METER"
FIRE = "FIRE"
"""Fire panel of the switchgear room; those of the containers are `C1-FIRE`, ..."""
PANEL = "PANEL"
SUNSPEC = "SUNSPEC"
"""The first container's converter once more, as SunSpec shows it; where the plant is asked to."""

_OF_CONTAINER = ("BMS", "CHL", "IMD", "FIRE", "VENT")


def addresses(containers: int, *, sunspec: bool = False) -> tuple[str, ...]:
    """Tags of all that listen at an address of their own, in the order of their ports."""
    numbers = range(1, containers + 1)
    modbus = (f"C{k}-{kind}" for k in numbers for kind in _OF_CONTAINER)
    last = (SUNSPEC,) if sunspec else ()
    return (METER, FIRE, PANEL, *modbus, *(f"C{k}-PCS" for k in numbers), *last)


def ports_of(containers: int, base: int, *, sunspec: bool = False) -> dict[str, int]:
    """Port of every address from `base` on; 0 everywhere, which is any free one, without a base."""
    return {
        tag: base + k if base else 0 for k, tag in enumerate(addresses(containers, sunspec=sunspec))
    }


def rack_tag(container: int, rack: int) -> str:
    """Tag of a rack from indices that start at 0."""
    return f"C{container + 1}-R{rack + 1:02d}"


def rack_index(containers: int, racks_per_container: int) -> dict[str, int]:
    """Index over the whole plant of every rack, by tag."""
    return {
        rack_tag(k, n): k * racks_per_container + n
        for k in range(containers)
        for n in range(racks_per_container)
    }


def cell_name(container: int, rack: int, cell: int) -> str:
    """Name of a cell, `C2-R04/217`, from indices that start at 0."""
    return f"{rack_tag(container, rack)}/{cell + 1}"
