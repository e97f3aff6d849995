"""Why a gate stays empty: what its price would have to do, and when the energy is used better."""

import datetime as dt
from zoneinfo import ZoneInfo

from cloud.market.desk.blocks import Block
from cloud.market.desk.drafting import Draft
from contract.words import NO_WORDS, Words


def why_it_rests(made: Draft, product: str, block: Block, zone: str) -> Words:
    """Say of a block for which nothing is offered how near it comes to an offer.

    Of several intervals the one is named whose price lies nearest to one at which the battery acts.

    Args:
        made: the draft, which offers nothing.
        product: its id.
        block: what the gate closes for.
        zone: of the market.
    """
    inside = [
        (start, reason)
        for start, reason in zip(made.starts_ms, made.reasons, strict=True)
        if block.begin_ms <= start < block.end_ms
    ]
    if not inside:
        return NO_WORDS
    start, nearest = min(inside, key=lambda one: one[1].short_of)
    told = made.told.get(product, {}).get(start)
    words = nearest.rests if told is None or told == nearest.words else told
    if len(inside) == 1:
        return words
    at = f"{dt.datetime.fromtimestamp(start / 1e3, ZoneInfo(zone)):%H:%M}"
    return Words(f"nearest to an offer is {at}: {words.en}", f"最接近申报的时段为 {at}：{words.zh}")
