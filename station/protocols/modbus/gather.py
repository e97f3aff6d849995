"""Values out of a vector of registers, for whole arrays at once."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from station.protocols.modbus.place import Order, RegisterType

Registers = npt.NDArray[np.uint16]
Indices = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]

_VIEWS: Mapping[RegisterType, str] = {
    RegisterType.BIT: ">u2",
    RegisterType.U16: ">u2",
    RegisterType.S16: ">i2",
    RegisterType.U32: ">u4",
    RegisterType.S32: ">i4",
    RegisterType.U64: ">u8",
    RegisterType.S64: ">i8",
    RegisterType.F32: ">f4",
    RegisterType.F64: ">f8",
}


def gather(
    registers: Registers, index: Indices, kind: RegisterType, byte_order: Order = "hi-lo"
) -> npt.NDArray[np.generic]:
    """Return the values at `index` (shape (n, words)) in the type's own dtype, shape (n,)."""
    words = registers[index]
    if byte_order == "lo-hi":
        words = words.byteswap()
    values: npt.NDArray[np.generic] = words.astype(">u2").view(_VIEWS[kind])[:, 0]
    return values
