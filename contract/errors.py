"""Everything that the contract refuses, as one tree of errors.

A caller that meets hostile or broken input catches `ContractError` (or the branch of the part
that it uses) and needs no other exception: parsers of this package raise nothing else.
"""


class ContractError(Exception):
    """Root of all refusals of this package."""


class LayoutError(ContractError):
    """A layout is not what the catalogue allows: wrong column, scale, repeat or name."""


class UnknownLayoutError(LayoutError):
    """No layout is known for this hash or name; ask the sender for its layout."""

    def __init__(self, wanted: bytes | str) -> None:
        """Keep what was wanted: the 8 bytes of a hash, or a name."""
        shown = wanted.hex() if isinstance(wanted, bytes) else repr(wanted)
        super().__init__(
            f"layout {shown} is unknown here; let the station send it "
            "(PUT /edge/v1/layouts/HASH) or register it"
        )
        self.wanted = wanted


class FrameError(ContractError):
    """A telemetry frame or batch cannot be built, read or merged."""


class FrameShapeError(FrameError):
    """The arrays of a frame do not fit its layout."""


class FrameTooLargeError(FrameError):
    """A frame or batch claims more rows, values or bytes than the contract allows."""


class FrameVersionError(FrameError):
    """The version byte is one that this software does not speak."""


class FrameCorruptError(FrameError):
    """The bytes are truncated, altered or inconsistent."""


class EnvelopeError(ContractError):
    """A sealed envelope or a key announcement is refused."""


class EnvelopeMalformed(EnvelopeError):  # noqa: N818 - a refusal is named by its fact
    """The bytes are no envelope of this version."""


class EnvelopeWrongStation(EnvelopeError):  # noqa: N818
    """The envelope names another station than the one that is speaking."""


class Tampered(EnvelopeError):  # noqa: N818
    """The authentication tag does not fit: header or content were altered."""


class UnknownEpoch(EnvelopeError):  # noqa: N818
    """No key is known for this epoch; the station has to announce it again."""


class KeyRefused(EnvelopeError):  # noqa: N818
    """A key announcement is not signed by its station or not wrapped for this cloud."""


class Replayed(EnvelopeError):  # noqa: N818
    """This sequence number was seen before, or is too old to tell."""


class SequenceError(EnvelopeError):
    """The sender would use a sequence number twice, which would break the cipher."""


class EventError(ContractError):
    """An event is malformed or its code is not in the catalogue."""


class CommandError(ContractError):
    """A record of a command is malformed."""


class ScheduleError(ContractError):
    """A power schedule is refused; the text names the point and the value."""


class ControlError(ContractError):
    """The content of a control order is refused; the text names the field."""


class PackageError(ContractError):
    """A model package is refused; the text names the file or key."""


class ModelOrderError(ContractError):
    """The content of a model order is refused; the text names the field."""


class OrderRefused(ContractError):  # noqa: N818
    """A signed order or receipt is refused; `reason` is the stable code for receipts."""

    reason = "refused"


class OrderMalformed(OrderRefused):
    """The bytes are no order."""

    reason = "malformed"


class OrderBadSignature(OrderRefused):
    """The signature is not that of a key which may give orders."""

    reason = "bad_signature"


class OrderWrongStation(OrderRefused):
    """The order is for another station."""

    reason = "wrong_station"


class OrderExpired(OrderRefused):
    """The order came too late."""

    reason = "expired"


class OrderNotYetValid(OrderRefused):
    """The order is not valid yet."""

    reason = "not_yet_valid"


class OrderRepeated(OrderRefused):
    """An order with this or a later counter was seen before."""

    reason = "repeated"
