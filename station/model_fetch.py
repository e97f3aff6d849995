"""Bringing a model package here, over the station's own outbound connection, piece by piece.

What has arrived stays on the disk: after a broken line or a restart it goes on from there.
"""

from http import HTTPStatus

from contract.model_order import ModelOrder
from station.maintenance import ModelError, ModelStore, PackageRefused
from station.uplink.errors import LinkDown
from station.uplink.link import Answer, CloudLink
from station.uplink.worker import BlockingWorker

_PIECE_S = 60.0
"""A slow line may take so long for one piece."""


class NotFetched(ModelError):  # noqa: N818 - a refusal is named by its fact
    """The cloud does not hand the package out; asking again would not help."""

    reason_code = "model_not_fetched"


async def fetch(
    link: CloudLink, store: ModelStore, work: BlockingWorker, asked: ModelOrder
) -> None:
    """Bring the whole package of an order into the store, still unchecked.

    Raises:
        NotFetched: the cloud does not hand it out.
        PackageRefused: more comes than the order named.
        LinkDown: the line is broken or the cloud is busy; to be called again.
        ModelError: the disk does not take it.
    """
    here = await work.call(store.arrived, asked.package)
    while here < asked.size:
        path = f"/edge/v1/models/{asked.package}?offset={here}"
        piece = _piece(await link.request("GET", path, timeout_s=_PIECE_S, judges=False))
        here += len(piece)
        if here <= asked.size:
            await work.call(store.add, asked.package, piece)
    if here > asked.size:
        await work.call(store.forget_part, asked.package)
        raise PackageRefused(f"the package has more than the {asked.size} bytes of its order")


def _piece(answer: Answer) -> bytes:
    if answer.status == HTTPStatus.OK and answer.body:
        return answer.body
    if HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        reason = answer.fields().get("reason", "")
        raise NotFetched(f"the cloud answered {answer.status} {answer.code}: {reason}")
    raise LinkDown(f"the cloud answered {answer.status}")
