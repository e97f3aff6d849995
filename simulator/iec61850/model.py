"""From an ICD file (IEC 61850-6) to the data model of a server.

The library reads no SCL, so the model is built node by node: logical devices, nodes, data
objects with their types, instance values, data sets and report control blocks.
"""

import xml.etree.ElementTree as ET  # the ICD is the plant's own file, not a client's
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from simulator.errors import IcdError
from simulator.iec61850.library import BASIC_TYPE, FC, OPTION, TRIGGER, library

_NS = "{http://www.iec.ch/61850/2003/SCL}"
_TRUE = frozenset({"true", "1"})
"""How XML Schema writes yes (part 2, 3.2.2)."""


@dataclass(frozen=True)
class Leaf:
    """A basic data attribute: the library's node, its basic type and its type name."""

    node: int
    basic_type: str
    type_name: str


class ServerModel:
    """The library's model of one IED and its nodes by reference.

    References read `C1PCSPCS1/MMXU1.TotW.mag.f`. `objects` holds data objects, `leaves` basic
    attributes.
    """

    def __init__(self, path: Path, ied_name: str, *, reconfigured: bool = False) -> None:
        """Build the model of the file's IED under another name.

        Args:
            path: the ICD file.
            ied_name: the name.
            reconfigured: somebody has worked on the device: the members of its data sets stand
                in another order, and the configuration revisions count one on.

        Raises:
            IcdError: the file is no ICD or uses what is not defined in it.
        """
        self.path = path
        self._reconfigured = reconfigured
        self.objects: dict[str, int] = {}
        self.leaves: dict[str, Leaf] = {}
        self._lib = library()
        try:
            root = ET.parse(path).getroot()  # noqa: S314
            templates = root.find(f"{_NS}DataTypeTemplates")
            ied = root.find(f"{_NS}IED")
            if ied is None or templates is None:
                raise IcdError(path, "SCL", "needs an IED and DataTypeTemplates")
            self._types = {
                (e.tag.removeprefix(_NS), e.get("id", "")): e for e in templates if e.get("id")
            }
            self.name = ied_name
            self.model: int = self._lib.IedModel_create(ied_name.encode())
            for device in ied.iter(f"{_NS}LDevice"):
                self._logical_device(device)
        except ET.ParseError as error:
            raise IcdError(path, str(error), "mend the XML") from error
        except KeyError as error:
            raise IcdError(path, f"{error.args[0]!r} is not defined", "define the type") from error
        except OSError as error:
            raise IcdError(path, "file", error.strerror or "cannot be read") from error

    def _logical_device(self, device: ET.Element) -> None:
        inst = device.get("inst", "")
        pointer = self._lib.LogicalDevice_create(inst.encode(), self.model)
        nodes = [*device.findall(f"{_NS}LN0"), *device.findall(f"{_NS}LN")]
        made: list[tuple[ET.Element, int]] = []
        for node in nodes:
            name = _node_name(node.get("prefix"), node.get("lnClass"), node.get("inst"))
            ln = self._lib.LogicalNode_create(name.encode(), pointer)
            made.append((node, ln))
            reference = f"{self.name}{inst}/{name}"
            for data in self._children("LNodeType", node.get("lnType", "")):
                self._data_object(data, ln, f"{reference}.{data.get('name')}")
            for instance in node.findall(f"{_NS}DOI"):
                self._instance_values(instance, f"{reference}.{instance.get('name')}")
        for node, ln in made:
            self._data_sets(node, ln, inst)
            for block in node.findall(f"{_NS}ReportControl"):
                self._report_control(block, ln)

    def _data_object(self, element: ET.Element, parent: int, reference: str) -> None:
        pointer = self._lib.DataObject_create(element.get("name", "").encode(), parent, 0)
        self.objects[reference] = pointer
        for child in self._children("DOType", element.get("type", "")):
            inner = f"{reference}.{child.get('name')}"
            if child.tag == f"{_NS}SDO":
                self._data_object(child, pointer, inner)
            elif child.tag == f"{_NS}DA":
                self._attribute(child, pointer, inner, FC[child.get("fc", "")], _triggers(child))

    def _attribute(
        self, element: ET.Element, parent: int, reference: str, fc: int, triggers: int
    ) -> None:
        basic = element.get("bType", "")
        type_name = element.get("type", "")
        pointer = self._lib.DataAttribute_create(
            element.get("name", "").encode(), parent, BASIC_TYPE[basic], fc, triggers, 0, 0
        )
        if basic == "Struct":
            for child in self._children("DAType", type_name):
                self._attribute(child, pointer, f"{reference}.{child.get('name')}", fc, triggers)
            return
        self.leaves[reference] = Leaf(pointer, basic, type_name)
        value = element.find(f"{_NS}Val")
        if value is not None:
            self.set_value(reference, value.text or "")

    def _instance_values(self, element: ET.Element, reference: str) -> None:
        for child in element:
            inner = f"{reference}.{child.get('name')}"
            value = child.find(f"{_NS}Val")
            if child.tag == f"{_NS}SDI":
                self._instance_values(child, inner)
            elif value is not None:
                self.set_value(inner, value.text or "")

    def set_value(self, reference: str, text: str) -> None:
        """Give a leaf its start value, written as in SCL.

        Raises:
            KeyError: no such leaf, or no such name in its enumeration.
        """
        leaf = self.leaves[reference]
        lib = self._lib
        match leaf.basic_type:
            case "Enum":
                value = lib.MmsValue_newIntegerFromInt32(self._ordinal(leaf.type_name, text))
            case "INT8U" | "INT16U" | "INT24U" | "INT32U":
                value = lib.MmsValue_newUnsignedFromUint32(int(text))
            case "INT8" | "INT16" | "INT32":
                value = lib.MmsValue_newIntegerFromInt32(int(text))
            case "FLOAT32" | "FLOAT64":
                value = lib.MmsValue_newFloat(float(text))
            case "BOOLEAN":
                value = lib.MmsValue_newBoolean(text in _TRUE)
            case name if name.startswith("VisString"):
                value = lib.MmsValue_newVisibleString(text.encode())
            case name:
                raise IcdError(self.path, reference, f"a start value of type {name} is not served")
        lib.DataAttribute_setValue(leaf.node, value)
        lib.MmsValue_delete(value)

    def _data_sets(self, node: ET.Element, ln: int, device: str) -> None:
        for element in node.findall(f"{_NS}DataSet"):
            data_set = self._lib.DataSet_create(element.get("name", "").encode(), ln)
            members = element.findall(f"{_NS}FCDA")
            for member in reversed(members) if self._reconfigured else members:
                variable = _variable(member, device)
                self._lib.DataSetEntry_create(data_set, variable.encode(), -1, None)

    def _report_control(self, block: ET.Element, ln: int) -> None:
        enabled = block.find(f"{_NS}RptEnabled")
        count = int(enabled.get("max", "1")) if enabled is not None else 1
        indexed = block.get("indexed", "true") in _TRUE
        for k in range(1, count + 1 if indexed else 2):
            self._lib.ReportControlBlock_create(
                (block.get("name", "") + (f"{k:02d}" if indexed else "")).encode(),
                ln,
                (block.get("rptID") or "").encode() or None,
                block.get("buffered") in _TRUE,
                block.get("datSet", "").encode(),
                int(block.get("confRev", "1")) + int(self._reconfigured),
                _flags(block.find(f"{_NS}TrgOps"), TRIGGER),
                _flags(block.find(f"{_NS}OptFields"), OPTION),
                int(block.get("bufTime", "0")),
                int(block.get("intgPd", "0")),
            )

    def _children(self, kind: str, name: str) -> Iterator[ET.Element]:
        return iter(self._types[kind, name])

    def _ordinal(self, enumeration: str, text: str) -> int:
        for value in self._children("EnumType", enumeration):
            if (value.text or "").strip() == text:
                return int(value.get("ord", "0"))
        raise KeyError(text)


def _node_name(prefix: str | None, ln_class: str | None, inst: str | None) -> str:
    return f"{prefix or ''}{ln_class or ''}{inst or ''}"


def _variable(member: ET.Element, device: str) -> str:
    """MMS name of a data set member: MMXU1$MX$TotW, with its device when it is another."""
    node = _node_name(member.get("prefix"), member.get("lnClass"), member.get("lnInst"))
    parts = [node, member.get("fc", ""), *member.get("doName", "").split(".")]
    if member.get("daName"):
        parts += member.get("daName", "").split(".")
    variable = "$".join(parts)
    other = member.get("ldInst")
    return variable if other in (None, device) else f"{other}/{variable}"


def _triggers(attribute: ET.Element) -> int:
    return sum(bit for key, bit in TRIGGER.items() if attribute.get(key) in _TRUE)


def _flags(element: ET.Element | None, bits: dict[str, int]) -> int:
    if element is None:
        return 0
    return sum(bit for key, bit in bits.items() if element.get(key) in _TRUE)
