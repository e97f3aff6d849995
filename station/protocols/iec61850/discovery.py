"""An IED described by itself: browsed on line where there is no SCL file of it.

The device tells its logical devices, nodes, data sets with their members and types, and its
report control blocks with their configuration revision. The result is the same description
that an SCL file gives, so that a mapping is bound to both alike.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache

from station.protocols.errors import DeviceUnreachable, ProfileError
from station.protocols.iec61850 import lib as m
from station.protocols.iec61850.connection import Association
from station.protocols.iec61850.scl import DataSet, Ied, Member, Node, ReportBlock
from station.protocols.iec61850.services import ServiceFailed

_MEMBER = re.compile(r"(?P<device>[^/]+)/(?P<path>[^\[]+)\[(?P<constraint>[A-Z]{2})\]")
_QUALITY_BITS, _DOUBLE_POINT_BITS = 13, 2
_BASIC = {
    2: "BOOLEAN", 4: "INT32", 5: "INT32U", 6: "FLOAT32", 7: "Octet64", 8: "VisString255",
    10: "EntryTime", 13: "Unicode255", 14: "Timestamp",
}  # fmt: skip
"""SCL names of MMS types (mms_common.h) that tell them apart as far as values need it."""


def ied_names(domains: Iterable[str], device: str) -> list[str]:
    """Return the IEDs that have a logical device of this instance, by their complete names."""
    return [d.removesuffix(device) for d in domains if d.endswith(device)]


def discover(association: Association, device: str, name: str = "") -> Ied:
    """Browse an IED.

    Args:
        association: an open one; this blocks for as long as the device needs.
        device: instance of the logical device that a mapping names; tells where, in the names
            of the logical devices, the IED's name ends.
        name: the IED's, if it is known.

    Raises:
        ProfileError: the device has no such logical device.
        DeviceUnreachable, ServiceFailed: it does not let itself be browsed.
    """
    domains = association.logical_devices()
    name = name or next(iter(ied_names(domains, device)), "")
    mine = [domain for domain in domains if domain.startswith(name)]
    if f"{name}{device}" not in mine:
        raise ProfileError(
            "the device", f"logical device {device!r}", "is not there",
            f"it has: {', '.join(domains) or 'none'}; give one of them as `device` in the mapping",
        )  # fmt: skip
    browser = _Browser(association, name)
    data_sets: list[DataSet] = []
    blocks: list[ReportBlock] = []
    controls: set[str] = set()
    for domain in mine:
        for node in association.logical_nodes(domain):
            where = f"{domain}/{node}"
            names = association.variables(where)
            data_sets += browser.data_sets(where)
            blocks += browser.blocks(where, names)
            controls |= {f"{where.removeprefix(name)}.{found}" for found in _controls(names)}
    return Ied(name, tuple(data_sets), tuple(blocks), frozenset(controls))


class _Browser:
    """Asks one association, each type once."""

    def __init__(self, association: Association, name: str) -> None:
        self._association = association
        self._name = name
        self._type = cache(association.type_of)

    def data_sets(self, where: str) -> Iterator[DataSet]:
        for name in self._association.data_set_names(where):
            reference = f"{where}.{name}"
            found = [_MEMBER.fullmatch(m) for m in self._association.data_set_members(reference)]
            members = [self._member(match) for match in found if match is not None]
            if len(members) == len(found):
                yield DataSet(reference, tuple(members))

    def _member(self, match: re.Match[str]) -> Member:
        device, path, constraint = match["device"], match["path"], match["constraint"]
        described = self._type(f"{device}/{path}", constraint)
        return Member(
            f"{device}/{path}".removeprefix(self._name),
            constraint,
            _node(described, path.rpartition(".")[2]),
        )

    def blocks(self, where: str, names: list[str]) -> Iterator[ReportBlock]:
        """Return the report control blocks of a node, each as one that stands alone."""
        for kind, buffered in (("BR", True), ("RP", False)):
            for name in names:
                constraint, _, block = name.partition("$")
                if constraint != kind or not block or "$" in block:
                    continue
                reference = f"{where}.{kind}.{block}"
                try:
                    state = self._association.report_blocks.state(reference)
                except DeviceUnreachable:
                    raise
                except ServiceFailed:
                    continue
                if state.data_set:
                    yield ReportBlock((reference,), state.data_set, state.conf_rev, buffered)


def _controls(names: list[str]) -> Iterator[str]:
    """Return the objects with an operate structure: `CO$OutWSet$Oper` is `OutWSet`."""
    for name in names:
        constraint, *path = name.split("$")
        if constraint == "CO" and len(path) > 1 and path[-1] == "Oper":
            yield ".".join(path[:-1])


def _node(described: m.Type, name: str) -> Node:
    """Return a type as SCL tells it."""
    if described.kind == m.STRUCTURE:
        return Node(name, children=tuple(_node(part, part.name) for part in described.inside))
    if described.kind == m.BIT_STRING:
        bits = abs(described.size)
        quality = bits == _QUALITY_BITS and name == "q"
        double_point = bits == _DOUBLE_POINT_BITS
        return Node(name, "Quality" if quality else "Dbpos" if double_point else "BitString")
    return Node(name, _BASIC.get(described.kind, "Unknown"))
