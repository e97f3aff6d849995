"""ICD files of converters of other makes: written from a table of their nodes and data sets.

The data types are those of the converter's own ICD file; what differs from make to make is
which logical nodes and objects there are, and how they are gathered into reports.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from xml.sax.saxutils import quoteattr

_NODE = re.compile(r"(?P<prefix>[A-Z]?[a-z]\w*?)?(?P<cls>[A-Z]{4})(?P<inst>\d*)")
_TYPES_FROM = '<DOType id="MV"'
_DOUBLE_POINT = """
    <DOType id="DPC" cdc="DPC">
      <DA name="stVal" bType="Dbpos" fc="ST" dchg="true"/>
      <DA name="q" bType="Quality" fc="ST" qchg="true"/>
      <DA name="t" bType="Timestamp" fc="ST"/>
      <DA name="SBOw" bType="Struct" type="OperBoolean" fc="CO"/>
      <DA name="Oper" bType="Struct" type="OperBoolean" fc="CO"/>
      <DA name="Cancel" bType="Struct" type="CancelBoolean" fc="CO"/>
      <DA name="ctlModel" bType="Enum" type="CtlModel" fc="CF">
        <Val>sbo-with-enhanced-security</Val>
      </DA>
      <DA name="sboTimeout" bType="INT32U" fc="CF"><Val>5000</Val></DA>
    </DOType>
    """
_BLOCK = """
            <ReportControl name="{name}" rptID="{name}" datSet="{data_set}"
                buffered="true" confRev="1" bufTime="0" intgPd="0" indexed="false">
              <TrgOps dchg="true" qchg="true" dupd="true" period="true" gi="true"/>
              <OptFields seqNum="true" timeStamp="true" dataSet="true" reasonCode="true"
                dataRef="false" bufOvfl="true" entryID="true" configRef="true"/>
              <RptEnabled max="1"/>
            </ReportControl>"""

Nodes = Mapping[str, Mapping[str, str]]
"""Data objects and their types (MV, CMV, DEL, WYE, SPS, INS, ASG, APC, SPC, DPC) by node."""


def icd(
    nodes: Nodes, data_sets: Mapping[str, Iterable[str]], types: Path, device: str = "PCS1"
) -> str:
    """Return an ICD file's text.

    Args:
        nodes: the device's nodes beside LLN0, for example ``{"MMXU1": {"TotW": "MV"}}``.
        data_sets: members (``MMXU1.TotW[MX]``) by name; each is reported by a buffered block
            whose name has ``br`` instead of ``ds``, in this order.
        types: an ICD file whose data types are used.
        device: instance of the logical device.

    Raises:
        KeyError: a node's name has no class of four letters.
    """
    text = types.read_text("utf-8")
    shared = text[text.index(_TYPES_FROM) :]
    sets = "".join(
        f'\n            <DataSet name="{name}">{"".join(_member(m, device) for m in members)}'
        "</DataSet>"
        for name, members in data_sets.items()
    )
    blocks = "".join(
        _BLOCK.format(name=name.replace("ds", "br", 1), data_set=name) for name in data_sets
    )
    instances = "".join(
        f"\n          <LN{_named(name)} lnType={quoteattr(name)}/>" for name in nodes
    )
    node_types = "".join(
        f"\n    <LNodeType id={quoteattr(name)} lnClass={quoteattr(_parts(name)['cls'])}>"
        + "".join(f'<DO name="{do}" type="{kind}"/>' for do, kind in objects.items())
        + "</LNodeType>"
        for name, objects in nodes.items()
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<SCL xmlns="http://www.iec.ch/61850/2003/SCL" version="2007" revision="B" release="4">
  <Header id="made"/>
  <IED name="TEMPLATE">
    <AccessPoint name="AP1"><Server><Authentication none="true"/>
        <LDevice inst="{device}">
          <LN0 lnClass="LLN0" inst="" lnType="LLN0">{sets}{blocks}
          </LN0>{instances}
        </LDevice>
    </Server></AccessPoint>
  </IED>
  <DataTypeTemplates>
    <LNodeType id="LLN0" lnClass="LLN0"><DO name="Beh" type="ENS_Beh"/></LNodeType>{node_types}
    {_DOUBLE_POINT}{shared}"""


def _parts(name: str) -> dict[str, str]:
    found = _NODE.fullmatch(name)
    if found is None:
        raise KeyError(name)
    return {key: value or "" for key, value in found.groupdict().items()}


def _named(name: str, instance: str = "inst") -> str:
    parts = _parts(name)
    return f' prefix="{parts["prefix"]}" lnClass="{parts["cls"]}" {instance}="{parts["inst"]}"'


def _member(member: str, device: str) -> str:
    path, _, constraint = member.rstrip("]").partition("[")
    node, _, data = path.partition(".")
    return f'<FCDA ldInst="{device}"{_named(node, "lnInst")} doName="{data}" fc="{constraint}"/>'
