"""What a SunSpec device says of itself in the common model: maker, model, serial number.

SunSpec Device Information Model Specification, model 1: Mn and Md of 16 registers each, Opt and
Vr of 8, SN of 16, all text padded with zeros.
"""

from dataclasses import dataclass

from station.protocols.errors import DeviceUnreachable, ProtocolError
from station.protocols.modbus.gather import Registers
from station.protocols.modbus.sunspec.chain import Chain, ReadHolding

_COMMON, _HEADER = 1, 2
_MAKER, _MODEL, _SERIAL = slice(0, 16), slice(16, 32), slice(48, 64)


@dataclass(frozen=True)
class TypePlate:
    """Empty where the device does not say."""

    maker: str = ""
    model: str = ""
    serial: str = ""


async def type_plate(read: ReadHolding, chain: Chain) -> TypePlate:
    """Return what the device's common model says.

    Raises:
        DeviceUnreachable: the device does not answer.
    """
    common = next((one for one in chain.models if one.id == _COMMON), None)
    if common is None:
        return TypePlate()
    try:
        words = await read(common.address + _HEADER, min(common.length, _SERIAL.stop))
    except DeviceUnreachable:
        raise
    except ProtocolError:
        return TypePlate()
    return TypePlate(_text(words[_MAKER]), _text(words[_MODEL]), _text(words[_SERIAL]))


def _text(words: Registers) -> str:
    told = words.astype(">u2").tobytes().partition(b"\0")[0].decode("utf-8", "replace")
    return " ".join("".join(c if c.isprintable() else " " for c in told).split())
