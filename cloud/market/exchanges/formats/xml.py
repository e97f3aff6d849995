"""XML that comes from outside, and schemas: nothing is fetched, no entity is expanded."""

from functools import cache
from pathlib import Path
from typing import Any

from cloud.market.errors import BadDocument

SCHEMAS = Path(__file__).with_name("schemas")
RESERVE_BID = "urn:iec62325.351:tc57wg16:451-7:reservebiddocument:7:4"
ACKNOWLEDGEMENT = "urn:iec62325.351:tc57wg16:451-1:acknowledgementdocument:8:1"
_FILES = {
    RESERVE_BID: "reserve-bid-7-4-subset.xsd",
    ACKNOWLEDGEMENT: "acknowledgement-8-1-subset.xsd",
}


def parse(body: bytes, namespace: str) -> Any:
    """Return the root element of a document that keeps its namespace's schema.

    Raises:
        BadDocument: it is no XML, brings a document type, or breaks the schema; the line is
            named.
    """
    from lxml import etree  # noqa: PLC0415 - only who sends XML needs it

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise BadDocument(f"no XML: {error}") from error
    if root.getroottree().docinfo.doctype:
        raise BadDocument("a document type is declared; send the document without it")
    validate(root, namespace)
    return root


def validate(root: Any, namespace: str) -> None:
    """Check an element against its namespace's schema.

    Raises:
        BadDocument: names the first line that breaks it.
    """
    schema = _schema(namespace)
    if not schema.validate(root):
        first = schema.error_log[0]
        raise BadDocument(f"line {first.line}: {first.message}")


@cache
def _schema(namespace: str) -> Any:
    from lxml import etree  # noqa: PLC0415 - as above

    return etree.XMLSchema(etree.parse(str(SCHEMAS / _FILES[namespace])))
