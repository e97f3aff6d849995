"""What a profile's document says once for all its tables: orders, and where instances lie.

Works on the document as it was read, before it is validated: a table with an ``address`` is a
place on the device.
"""

from collections.abc import Mapping
from typing import Any, get_args

from station.protocols.modbus.place import Order

INSTANCE_MARK = "#"
"""Stands before the number of an instance in a profile's name: ``bms.toml#3``."""

_ORDERS = ("word_order", "byte_order")
_FROM_THE_WRITE = "read_back"
"""A table that takes what it leaves out from the write around it."""


def split_instance(name: str) -> tuple[str, int]:
    """Return the file's name and the number of the instance, 1 where the name says none."""
    bare, mark, number = name.rpartition(INSTANCE_MARK)
    return (bare, int(number)) if mark and number.isdecimal() else (name, 1)


def with_orders(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document with its word and byte order in every place that has none.

    What is no order stays where it stands, and is told there once.
    """
    orders = {key: document[key] for key in _ORDERS if document.get(key) in get_args(Order)}
    return {key: _ordered(key, value, orders) for key, value in document.items()}


def _ordered(key: str, value: Any, orders: Mapping[str, Any]) -> Any:
    if isinstance(value, list | tuple):
        return [_ordered(key, item, orders) for item in value]
    if not isinstance(value, Mapping):
        return value
    below = {name: _ordered(name, item, orders) for name, item in value.items()}
    is_place = "address" in value and "type" in value and key != _FROM_THE_WRITE
    return {**orders, **below} if is_place else below


def moved(document: Mapping[str, Any], steps: int, stride: int, bit_stride: int) -> dict[str, Any]:
    """Return the document with every place that is not shared moved on by so many strides.

    Args:
        document: a profile as its file holds it.
        steps: how many strides.
        stride: of registers.
        bit_stride: of coils and discrete inputs.
    """
    by_space = {"coil": bit_stride, "discrete": bit_stride}
    usual = by_space.get(document.get("space", "holding"), stride)

    def move(value: Any, around: int) -> Any:
        if isinstance(value, list):
            return [move(item, around) for item in value]
        if not isinstance(value, dict):
            return value
        own = by_space.get(value["space"], stride) if "space" in value else around
        below = {key: move(item, own) for key, item in value.items()}
        if isinstance(value.get("address"), int) and not value.get("shared", False):
            below["address"] = value["address"] + own * steps
        return below

    return {
        key: move(value, stride if key == "writes" else usual) for key, value in document.items()
    }
