"""How a device is bound: by its SCL file, by what it tells of itself, and anew when it changed.

The configuration revision of a report block is the device's word that its data sets are those
of the file. When it differs, nothing is read under the old binding. The file is read again, as
the engineer may have put the right one there; failing that the device is browsed, and what it
then says is questionable until a file vouches for it. A device that is configured to be bound
on line is browsed and believed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from station.protocols.driver import ONLINE, DeviceSpec
from station.protocols.errors import BadReply, DeviceUnreachable, ProfileError, ProtocolError
from station.protocols.iec61850 import mapping as mappings
from station.protocols.iec61850 import scl
from station.protocols.iec61850.connection import Association
from station.protocols.iec61850.discovery import discover
from station.protocols.iec61850.mapping import Binding
from station.protocols.iec61850.report_blocks import BlockState
from station.protocols.iec61850.services import ServiceFailed
from station.protocols.profile_files import find


@dataclass(frozen=True)
class Candidate:
    """A report block that may serve a data set, as it was found."""

    state: BlockState
    buffered: bool


@dataclass(frozen=True)
class Bound:
    """A binding that fits the device as it is.

    Attributes:
        binding: it.
        candidates: report blocks by data set, best first.
        vouched: whether a file says so, or the device is configured to be bound on line.
        changed: why the binding is another than before; empty when it is not.
    """

    binding: Binding
    candidates: Mapping[str, tuple[Candidate, ...]]
    vouched: bool
    changed: str


class ConfigurationChanged(ProtocolError):  # noqa: N818 - reads as a fact: configuration changed
    """The device is configured in another way than its binding says."""


class Bindings:
    """The bindings of one device.

    Attributes:
        mapping: which object is which signal.
    """

    def __init__(self, spec: DeviceSpec) -> None:
        """Load the mapping.

        Raises:
            ProfileError: it is missing or wrong.
        """
        self.mapping = mappings.load(spec.mapping)
        self._spec = spec
        self._name = spec.mapping or mappings.STANDARD
        self.online = spec.profile == ONLINE

    def by_file(self) -> Binding | None:
        """Return the binding that the SCL file gives, None for a device bound on line.

        Raises:
            ProfileError: file or mapping is missing or wrong.
        """
        if self.online:
            return None
        ied = scl.load(find(self._spec.profile), self._spec.ied)
        return mappings.bind(self._name, self.mapping, ied)

    def fit(self, association: Association, last: Binding | None, *, vouched: bool) -> Bound:
        """Return a binding that fits the device; blocks.

        Args:
            association: an open one.
            last: the binding that fitted when the device was last seen.
            vouched: whether a file vouches for that one.

        Raises:
            BadReply: the device says one thing and then another.
            DeviceUnreachable, ServiceFailed, ProfileError: why not.
        """
        changed = "it is bound on line" if last is None else ""
        if last is not None and vouched:
            try:
                return Bound(last, candidates(association, last), vouched=True, changed="")
            except ConfigurationChanged as error:
                changed = str(error)
        try:
            again = self.by_file()
            if again is not None:
                found = candidates(association, again)
                return Bound(again, found, True, changed or "the file vouches for it")
        except (ConfigurationChanged, ProfileError) as error:
            changed = changed or str(error)
        if last is not None and not vouched:
            try:
                return Bound(last, candidates(association, last), vouched=False, changed="")
            except ConfigurationChanged as error:
                changed = str(error)
        try:
            ied = discover(association, self.mapping.device, self._spec.ied)
            browsed = mappings.bind(self._name, self.mapping, ied)
            return Bound(browsed, candidates(association, browsed), self.online, changed)
        except ConfigurationChanged as error:
            raise BadReply(f"the device changes while it is browsed: {error}") from error
        except ProfileError as error:
            why = "" if last is None else f"{changed}; "
            raise BadReply(f"{why}it cannot be bound on line: {error}") from error


def candidates(association: Association, binding: Binding) -> dict[str, tuple[Candidate, ...]]:
    """Return the report blocks that the device has, by data set; blocks.

    Raises:
        ConfigurationChanged: one of them is configured in another way.
        DeviceUnreachable, ServiceFailed: why not.
    """
    return {data_set: tuple(_found(association, binding, data_set)) for data_set in binding.reports}


def _found(association: Association, binding: Binding, data_set: str) -> Iterator[Candidate]:
    problem: ServiceFailed | None = None
    found = 0
    for block in binding.reports[data_set]:
        for rcb in block.references:
            try:
                state = association.report_blocks.state(rcb)
            except DeviceUnreachable:
                raise
            except ServiceFailed as error:
                problem = error
                continue
            if state.conf_rev != block.conf_rev:
                raise ConfigurationChanged(
                    f"{rcb} has configuration revision {state.conf_rev}, it is bound by "
                    f"revision {block.conf_rev}: use the SCL file of the device's configuration"
                )
            if state.data_set not in ("", data_set):
                raise ConfigurationChanged(f"{rcb} reports {state.data_set}, not {data_set}")
            found += 1
            yield Candidate(state, block.buffered)
    if not found and problem is not None:
        raise problem
