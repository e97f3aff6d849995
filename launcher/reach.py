"""Whether a device can be reached at all, before a protocol is spoken with it."""

import socket

from launcher.errors import LauncherError

_CALL = bytes.fromhex("0300001611e00000000100c0010ac1020001c2020001")
"""TPKT (RFC 1006) with a connection request of ISO 8073 class 0, selectors 1 and 1."""
_TPKT_VERSION, _CONFIRMS = 3, 0xD0
_HEADER = 6


def known(host: str) -> None:
    """See that a host's name stands for an address.

    Raises:
        LauncherError: nobody knows it.
    """
    try:
        socket.getaddrinfo(host, None)
    except (OSError, UnicodeError) as error:
        raise LauncherError(
            f"host {host!r} is not known: mend its name, or give the device's address"
        ) from error


def answers_mms(host: str, port: int, timeout_s: float) -> None:
    """See that something at a port takes connections of the kind that carries MMS.

    Raises:
        LauncherError: it does not; the text says whether nobody listens, nobody answers, or
            another protocol is spoken there.
    """
    known(host)
    where = f"{host}:{port}"
    try:
        with socket.create_connection((host, port), timeout_s) as line:
            line.settimeout(timeout_s)
            line.sendall(_CALL)
            reply = line.recv(_HEADER)
    except TimeoutError as error:
        raise LauncherError(
            f"{where} says nothing within {timeout_s:g} s: see whether the port is that of MMS "
            "(102), whether another protocol is spoken there, or wait longer with --timeout"
        ) from error
    except ConnectionRefusedError as error:
        raise LauncherError(
            f"{where} accepts no connection: see whether host and --port are right, and the "
            "network reaches it"
        ) from error
    except OSError as error:
        raise LauncherError(
            f"{where}: {error.strerror or error}: see whether host and --port are right"
        ) from error
    if len(reply) < _HEADER or reply[0] != _TPKT_VERSION or reply[5] != _CONFIRMS:
        raise LauncherError(
            f"{where} takes no connection of MMS (ISO on TCP, RFC 1006): see whether the port is "
            "right, and whether the device has an association free"
        )
