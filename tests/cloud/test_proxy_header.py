"""The header by which a proxy tells who connects: read exactly, or refused."""

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.proxy_header import FIXED_BYTES, ProxyRefused, read_source, read_start

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def header(source: str, port: int, *, command: int = 0x21, extensions: bytes = b"") -> bytes:
    """A header as proxies send it: the destination does not matter to us."""
    address = ipaddress.ip_address(source).packed
    body = address + bytes(len(address)) + struct.pack("!HH", port, 443) + extensions
    family = 0x11 if len(address) == 4 else 0x21
    return SIGNATURE + struct.pack("!BBH", command, family, len(body)) + body


def read(whole: bytes) -> tuple[str, int] | None:
    start = read_start(whole[:FIXED_BYTES])
    assert len(whole) == FIXED_BYTES + start.length
    return read_source(start, whole[FIXED_BYTES:])


@given(st.ip_addresses().map(str), st.integers(0, 65_535), st.binary(max_size=200))
def test_the_address_that_a_proxy_tells_is_read(source, port, extensions):
    assert read(header(source, port, extensions=extensions)) == (source, port)


def test_a_proxy_that_speaks_for_itself_names_no_client():
    assert read(SIGNATURE + struct.pack("!BBH", 0x20, 0, 0)) is None
    assert read(header("10.0.0.1", 1, command=0x20)) is None


@pytest.mark.parametrize(
    "fixed",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03abcde",  # a TLS handshake
        b"PROXY TCP4 1.2.3",  # version 1
        SIGNATURE + struct.pack("!BBH", 0x11, 0x11, 12),  # another version
        SIGNATURE + struct.pack("!BBH", 0x22, 0x11, 12),  # an unknown command
        SIGNATURE + struct.pack("!BBH", 0x21, 0x31, 216),  # a unix socket
        SIGNATURE + struct.pack("!BBH", 0x21, 0x12, 12),  # datagrams
        SIGNATURE + struct.pack("!BBH", 0x21, 0x11, 11),  # too short for its addresses
        SIGNATURE + struct.pack("!BBH", 0x21, 0x11, 65_535),  # a flood
    ],
)
def test_anything_else_is_refused(fixed):
    with pytest.raises(ProxyRefused):
        read_start(fixed)


@given(st.binary(min_size=FIXED_BYTES, max_size=FIXED_BYTES))
def test_random_bytes_are_refused(fixed):
    with pytest.raises(ProxyRefused):
        read_start(fixed)
