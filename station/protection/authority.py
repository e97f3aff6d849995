"""Who may tell the station what to do: the switch on site, the button, and the deployment.

A station connected to a dispatch centre takes no control from the Internet: that is settled
here, by the station itself, whatever anybody signs. With the panel's switch on local, nobody
but the people on site has control. While the panel is silent its last word counts, over a
restart, too; the rule of its silence stops the plant in time. A panel that has not been heard
since the start may have been switched meanwhile: until its first word nobody knows who has
control, and nothing may be started.
"""

from dataclasses import dataclass
from enum import StrEnum

from contract.orders import REASONS, OrderKind
from contract.words import Words
from station.protection.states import PanelState


class Deployment(StrEnum):
    """How a station is connected."""

    STANDALONE = "standalone"
    CLOUD = "cloud"
    DISPATCH = "dispatch"


@dataclass(frozen=True)
class Allowed:
    """An order may be carried out."""


@dataclass(frozen=True)
class Denied:
    """An order is refused: a reason code of receipts, and its words."""

    reason_code: str
    words: Words


@dataclass(frozen=True)
class Authority:
    """What the panel says, as last heard.

    Attributes:
        local: the switch gives control to the people on site.
        heard: the panel has said something since the start.
        reset_pressed: the reset button, None when never heard.
    """

    local: bool = False
    heard: bool = False
    reset_pressed: bool | None = None


_CONTROL = frozenset(
    {
        OrderKind.SCHEDULE,
        OrderKind.SETPOINT,
        OrderKind.RELEASE,
        OrderKind.PARAMETER,
        OrderKind.MODEL,
        OrderKind.RESET,
        OrderKind.SELF_TEST,
    }
)
"""Kinds of orders that change what the plant does, or what it believes of its cells."""

_NEEDS_REMOTE = frozenset(
    {OrderKind.SETPOINT, OrderKind.RELEASE, OrderKind.RESET, OrderKind.SELF_TEST}
)
"""Kinds that act at once; a schedule may be laid down for the time after local control."""


def read_authority(panel: PanelState | None, before: Authority) -> tuple[Authority, bool]:
    """Return what the panel says now, and whether its reset button has just been pressed."""
    if panel is None:
        return Authority(), False
    if not panel.fresh:
        return before, False
    now = Authority(
        local=before.local if panel.remote is None else not panel.remote,
        heard=True,
        reset_pressed=before.reset_pressed if panel.reset_pressed is None else panel.reset_pressed,
    )
    # A button that is held down at the first word, or stuck, is no press.
    return now, before.reset_pressed is False and now.reset_pressed is True


def may_take(kind: OrderKind, deployment: Deployment, *, local: bool) -> Allowed | Denied:
    """Return whether an order from the Internet may be carried out.

    Args:
        kind: what the order asks for.
        deployment: how this station is connected.
        local: the site is in local control.
    """
    if deployment is not Deployment.CLOUD and kind in _CONTROL:
        return Denied("deployment", REASONS["deployment"])
    if local and kind in _NEEDS_REMOTE:
        return Denied("local_control", REASONS["local_control"])
    return Allowed()
