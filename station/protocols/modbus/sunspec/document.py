"""From a SunSpec device's chain of models to a profile like any other.

A profile with a ``[sunspec]`` section lists the models as the device tells them; `Device` makes
points of them. What such a profile says itself (limits, further registers, polling) goes before
what is made here.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError

from station.protocols.errors import ProfileError
from station.protocols.modbus.place import Address, Strict, Whole
from station.protocols.modbus.sunspec.chain import Chain, Found
from station.protocols.modbus.sunspec.device import Device, Table
from station.wrong_keys import remedy_for, wrong_keys


class ChainModel(Strict):
    """One model of the chain, in its order; see `chain.Found`."""

    id: Whole = Field(ge=1)
    length: Whole = Field(ge=0)
    count: Whole = Field(default=0, ge=0)
    string: Whole = Field(default=0, ge=0)
    module: Whole = Field(default=0, ge=0)


class Section(Strict):
    """``[sunspec]`` of a profile.

    Attributes:
        base: address of the marker.
        models: the chain.
        current: whether positive battery currents and powers of this device discharge or
            charge; SunSpec does not say it.
        layouts: which to fill, of ``pcs``, ``rack`` and ``cells``; all that the models allow
            when left out.
    """

    base: Address = 40000
    models: tuple[ChainModel, ...] = Field(min_length=1)
    current: Literal["discharge", "charge"] = "discharge"
    layouts: tuple[Literal["pcs", "rack", "cells"], ...] = ("pcs", "rack", "cells")


def section_of(chain: Chain) -> Table:
    """Return the section that says what a discovered chain is."""
    keys = ("id", "length", "count", "string", "module")
    rows = [{k: getattr(one, k) for k in keys if getattr(one, k)} for one in chain.models]
    return {"base": chain.base, "models": [{"length": 0, **row} for row in rows]}


def compose(file: str, raw: Mapping[str, Any], string: int = 1) -> Table:
    """Return the document without its ``[sunspec]`` section and with what that stands for.

    Args:
        file: for errors.
        raw: the profile as its file holds it.
        string: which of a bank's battery strings is the rack, from 1.

    Raises:
        ProfileError: the section is wrong, or there is no such string.
    """
    try:
        section = Section.model_validate(raw["sunspec"])
    except ValidationError as error:
        where = "./stationmaster profile probe HOST --sunspec --save FILE writes the section"
        raise ProfileError.of(
            [
                ProfileError(file, f"sunspec.{one.key}", one.problem, remedy_for(one, where))
                for one in wrong_keys(error, Section)
            ]
        ) from error
    models = (Found(address=0, **one.model_dump()) for one in section.models)
    device = Device(section.base, models, string, 1 if section.current == "discharge" else -1)
    if not 1 <= string <= device.strings:
        raise ProfileError(
            file, "sunspec.models", f"there is no string {string}",
            f"the chain has {device.strings}",
        )  # fmt: skip
    made: Table = {"title": "SunSpec device", "space": "holding", "layouts": {}, "writes": {}}
    for name in section.layouts:
        if name == "cells":
            made["layouts"] |= device.cells()
        elif device.has(name):
            made["layouts"][name] = device.points(name)
            made["writes"] |= device.writes(name)
    made["unmapped"] = device.unmapped()
    made["expect"] = [*device.expected(), *raw.get("expect", ())]
    return _merged(made, {key: value for key, value in raw.items() if key != "sunspec"})


def _merged(made: Table, own: Mapping[str, Any]) -> Table:
    """Return tables of both, `own` first; a table inside a table is merged likewise."""
    merged = dict(made)
    for key, value in own.items():
        below = merged.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            merged[key] = _merged(dict(below), value)
        elif key != "expect":  # the chain's own has the file's already
            merged[key] = value
    return merged
