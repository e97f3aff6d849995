"""Values out of a vector of registers, for whole arrays at once."""

import numpy as np
import numpy.typing as npt

from station.protocols.modbus.place import Order, Place, RegisterType

Registers = npt.NDArray[np.uint16]
Indices = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]


def words_index(kind: RegisterType, word_order: Order) -> Indices:
    """Return where the words of one value lie in its own registers, high word first: (1, words)."""
    index = np.arange(kind.words)
    return (index if word_order == "hi-lo" else index[::-1])[None, :]


def value_at(registers: Registers, place: Place) -> float:
    """Return the value of a place whose own registers these are."""
    index = words_index(place.type, place.word_order)
    return float(gather(registers, index, place.type, place.byte_order)[0])


def gather(
    registers: Registers, index: Indices, kind: RegisterType, byte_order: Order = "hi-lo"
) -> npt.NDArray[np.generic]:
    """Return the values at `index` (shape (n, words)) in the type's own dtype, shape (n,)."""
    words = registers[index]
    if byte_order == "lo-hi":
        words = words.byteswap()
    values: npt.NDArray[np.generic] = words.astype(">u2").view(kind.dtype)[:, 0]
    return values
