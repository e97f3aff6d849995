"""What an SCL file (IEC 61850-6) says of one IED: its data sets, report blocks and types.

The station binds to a device through this file and never through names in code: a signal's
object must be a member of a data set that some report control block serves, and the place of
its value inside a report follows from the data type templates.
"""

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from station.protocols.errors import ProfileError

_NS = "{http://www.iec.ch/61850/2003/SCL}"


@dataclass(frozen=True)
class Node:
    """An attribute or a structure of them, in the order in which MMS carries them.

    Attributes:
        name: of the attribute or sub-object.
        basic_type: SCL ``bType`` of a leaf, empty for structures.
        children: of a structure.
    """

    name: str
    basic_type: str = ""
    children: tuple["Node", ...] = ()

    def find(self, path: str) -> tuple[tuple[int, ...], "Node"] | None:
        """Return the element indices that lead to a dotted path below this node, and its end."""
        if not path:
            return (), self
        name, _, rest = path.partition(".")
        for index, child in enumerate(self.children):
            if child.name == name and (found := child.find(rest)) is not None:
                return (index, *found[0]), found[1]
        return None


@dataclass(frozen=True)
class Member:
    """One member of a data set: ``PCS1/MMXU1.TotW`` with constraint MX, and its structure."""

    path: str
    constraint: str
    node: Node


@dataclass(frozen=True)
class DataSet:
    """A data set; `reference` is complete (IED name, device, node, name)."""

    reference: str
    members: tuple[Member, ...]


@dataclass(frozen=True)
class ReportBlock:
    """A report control block with its instances, in the order in which to try them."""

    references: tuple[str, ...]
    data_set: str
    conf_rev: int
    buffered: bool


@dataclass(frozen=True)
class Ied:
    """One IED as its SCL file describes it."""

    name: str
    data_sets: tuple[DataSet, ...]
    report_blocks: tuple[ReportBlock, ...]
    controls: frozenset[str]
    """Controllable objects, for example ``PCS1/DRCC1.OutWSet``."""


def load(path: Path, ied: str = "") -> Ied:
    """Read one IED of an SCL file.

    Args:
        path: an ICD, CID or SCD file.
        ied: name of the device as it is on the network. It may be absent from an ICD, whose
            only IED is then a template that stands for any name.

    Raises:
        ProfileError: naming file, element and remedy.
    """
    root = _root(path)
    found = root.findall(f"{_NS}IED")
    chosen = [element for element in found if element.get("name") == ied]
    if not chosen and len(found) == 1:
        chosen = found
    if not chosen:
        raise ProfileError(
            str(path),
            f"IED {ied!r}",
            "is not there",
            f"the file has: {', '.join(names(path)) or 'none'}",
        )
    return _Reader(str(path), root, chosen[0], ied or chosen[0].get("name", "")).read()


def names(path: Path) -> list[str]:
    """Return the names of an SCL file's IEDs.

    Raises:
        ProfileError: the file cannot be read, or is none.
    """
    return [element.get("name", "") for element in _root(path).findall(f"{_NS}IED")]


def _root(path: Path) -> ET.Element:
    try:
        return ET.parse(path).getroot()  # noqa: S314 - the engineer's own file, no entity expansion in expat >= 2.4
    except OSError as error:
        raise ProfileError(
            str(path), "file", f"cannot be read ({error.strerror})", "give the path of an SCL file"
        ) from error
    except ET.ParseError as error:
        raise ProfileError(str(path), "file", f"is no XML: {error}", "mend the line") from error


class _Reader:
    """Walks one IED element with the templates at hand."""

    def __init__(self, file: str, root: ET.Element, ied: ET.Element, name: str) -> None:
        self._file = file
        self._ied = ied
        self._name = name
        self._types: dict[tuple[str, str], ET.Element] = {}
        for kind in ("LNodeType", "DOType", "DAType"):
            for element in root.iter(f"{_NS}{kind}"):
                self._types[kind, element.get("id", "")] = element
        self._nodes: dict[str, ET.Element] = {}

    def read(self) -> Ied:
        holders: list[tuple[str, str, ET.Element]] = []
        for device in self._ied.iter(f"{_NS}LDevice"):
            instance = device.get("inst", "")
            for node in (*device.findall(f"{_NS}LN0"), *device.findall(f"{_NS}LN")):
                name = _node_name(node)
                self._nodes[f"{instance}/{name}"] = self._type("LNodeType", node.get("lnType"))
                holders.append((instance, name, node))
        data_sets: list[DataSet] = []
        blocks: list[ReportBlock] = []
        for instance, name, node in holders:
            where = f"{self._name}{instance}/{name}"
            for element in node.findall(f"{_NS}DataSet"):
                members = tuple(self._member(instance, f) for f in element.findall(f"{_NS}FCDA"))
                data_sets.append(DataSet(f"{where}.{element.get('name')}", members))
            blocks += [_block(where, e) for e in node.findall(f"{_NS}ReportControl")]
        controls = frozenset(self._controls())
        return Ied(self._name, tuple(data_sets), tuple(blocks), controls)

    def _type(self, kind: str, id_: str | None) -> ET.Element:
        try:
            return self._types[kind, id_ or ""]
        except KeyError:
            raise ProfileError(
                self._file, f"{kind} {id_!r}", "is used but not defined", "complete the templates"
            ) from None

    def _member(self, instance: str, element: ET.Element) -> Member:
        device = element.get("ldInst") or instance
        path = f"{device}/{_node_name(element, 'lnInst')}"
        constraint = element.get("fc", "")
        if path not in self._nodes:
            raise ProfileError(
                self._file, f"FCDA {path}", "names no logical node", "mend the data set"
            )
        node = Node("", children=tuple(self._objects(self._nodes[path], constraint)))
        inside = ".".join(x for x in (element.get("doName"), element.get("daName")) if x)
        found = node.find(inside)
        if found is None:
            raise ProfileError(
                self._file, f"FCDA {path}.{inside} [{constraint}]", "has no such type",
                "mend the data set or the templates",
            )  # fmt: skip
        return Member(f"{path}.{inside}" if inside else path, constraint, found[1])

    def _objects(self, node_type: ET.Element, constraint: str) -> Iterator[Node]:
        for element in node_type.findall(f"{_NS}DO"):
            yield self._object(element.get("name", ""), element.get("type"), constraint)

    def _object(self, name: str, type_: str | None, constraint: str) -> Node:
        """Return a data object with the attributes of one functional constraint."""
        children: list[Node] = []
        for element in self._type("DOType", type_):
            inner = element.get("name", "")
            if element.tag == f"{_NS}SDO":
                child = self._object(inner, element.get("type"), constraint)
                if child.children:
                    children.append(child)
            elif element.tag == f"{_NS}DA" and element.get("fc") == constraint:
                children.append(self._attribute(inner, element))
        return Node(name, children=tuple(children))

    def _attribute(self, name: str, element: ET.Element) -> Node:
        basic = element.get("bType", "")
        if basic != "Struct":
            return Node(name, basic_type=basic)
        parts = self._type("DAType", element.get("type")).findall(f"{_NS}BDA")
        return Node(name, children=tuple(self._attribute(p.get("name", ""), p) for p in parts))

    def _controls(self) -> Iterator[str]:
        for path, node_type in self._nodes.items():
            for node in self._objects(node_type, "CO"):
                if any(child.name == "Oper" for child in node.children):
                    yield f"{path}.{node.name}"


def _flag(element: ET.Element, name: str, *, default: bool) -> bool:
    """Return a boolean attribute, in either way that XML Schema writes it (part 2, 3.2.2)."""
    written = element.get(name)
    return default if written is None else written.strip() in {"true", "1"}


def _node_name(element: ET.Element, instance: str = "inst") -> str:
    name = (element.get("prefix") or "") + (element.get("lnClass") or "")
    return name + (element.get(instance) or "")


def _block(where: str, element: ET.Element) -> ReportBlock:
    """Return a report control block; an indexed one has numbered instances."""
    buffered = _flag(element, "buffered", default=False)
    base = f"{where}.{'BR' if buffered else 'RP'}.{element.get('name')}"
    enabled = element.find(f"{_NS}RptEnabled")
    instances = int(enabled.get("max", "1")) if enabled is not None else 1
    indexed = _flag(element, "indexed", default=True)
    names = tuple(f"{base}{i:02}" for i in range(1, instances + 1)) if indexed else (base,)
    data_set = f"{where}.{element.get('datSet')}"
    return ReportBlock(names, data_set, int(element.get("confRev") or 1), buffered)
