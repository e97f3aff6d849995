"""Errors of the market desk. One root; each text says what is wrong, where, and what to do."""

from pathlib import Path

from cloud.errors import CloudError, Refused
from contract.words import Words


class MarketError(CloudError):
    """Root of what the market desk raises on purpose."""


class BadSeries(MarketError):  # noqa: N818 - says what is wrong with the caller's data
    """A file or an array of prices cannot be used as it is."""


class NoSuchFile(BadSeries):
    """There is no such file."""

    def __init__(self, file: Path) -> None:
        super().__init__(
            f"{file}: does not exist; name a file that does (a relative path counts from "
            f"{Path.cwd()})"
        )


class TooLittleHistory(MarketError):  # noqa: N818 - an outcome that a caller may override
    """There is less history than a model may be trained on.

    Attributes:
        have_days: what there is.
        need_days: what is asked for.
    """

    def __init__(self, what: str, have_days: float, need_days: float) -> None:
        self.have_days, self.need_days = have_days, need_days
        super().__init__(
            Words(
                f"{what} reaches back {have_days:.0f} days; at least {need_days:.0f} are needed to "
                "train on. Import older data, or allow short history explicitly: what is trained "
                "then is marked so",
                f"{what} 仅有 {have_days:.0f} 天；训练至少需要 {need_days:.0f} 天。"
                "请导入更早的数据，或明确允许较短历史：训练结果会注明",
            )
        )


class BadProfile(MarketError):  # noqa: N818 - says what is wrong with a file
    """A market's file of rules is wrong, or there is no such market."""


class BadDocument(MarketError):  # noqa: N818 - says what is wrong with a document
    """What came from an exchange or a file drop cannot be read, or a bid cannot be written."""


class BadBattery(MarketError):  # noqa: N818 - says what is wrong with a file
    """A description of a battery cannot be used."""


class BidRefused(Refused):
    """A bid cannot be made or moved as asked; nothing has changed."""

    code = "bid_refused"
    status = 409


class BidTooLate(BidRefused):
    """The gate has closed, or such a bid is there already: for a program, nothing to tell."""


class GateClosed(BidTooLate):
    """The gate has closed: however often it is asked, nothing of this bid moves any more."""

    remedy = "it is over for this gate: bid for a later one; GET the station's gates for the next"
