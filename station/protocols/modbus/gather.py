"""Values out of a vector of registers, for whole arrays at once."""

import numpy as np
import numpy.typing as npt

from station.protocols.modbus.place import Order, RegisterType

Registers = npt.NDArray[np.uint16]
Indices = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]


def gather(
    registers: Registers, index: Indices, kind: RegisterType, byte_order: Order = "hi-lo"
) -> npt.NDArray[np.generic]:
    """Return the values at `index` (shape (n, words)) in the type's own dtype, shape (n,)."""
    words = registers[index]
    if byte_order == "lo-hi":
        words = words.byteswap()
    values: npt.NDArray[np.generic] = words.astype(">u2").view(kind.dtype)[:, 0]
    return values
