"""saccade_msgs/Exchange: what a slow reasoner was asked and what it answered, for the record."""

from __future__ import annotations

from dataclasses import dataclass

from saccade.wire.codec import codec
from saccade.wire.convert import Cdr, duration_msg, header, stamp_ns, utf8

MOST = 20_000
"""Characters of a text that are kept; a longer one is cut, and says so."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question to a reasoner; `plan_id` is 0 where its answer was discarded."""

    obs_stamp_ns: int
    plan_id: int
    epoch: int
    occasion: str
    asked: str
    answered: str
    took_ns: int


def encode_exchange(exchange: Exchange) -> Cdr:
    """saccade_msgs/Exchange; texts longer than MOST are cut."""
    msg = codec().new(
        "saccade_msgs/msg/Exchange", header=header(exchange.obs_stamp_ns, ""), plan_id=exchange.plan_id,
        epoch=exchange.epoch, occasion=exchange.occasion, asked=_cut(exchange.asked), answered=_cut(exchange.answered),
        took=duration_msg(exchange.took_ns),
    )  # fmt: skip
    return codec().encode(msg)


def decode_exchange(cdr: Cdr) -> Exchange:
    """saccade_msgs/Exchange."""
    msg = codec().decode("saccade_msgs/msg/Exchange", cdr)
    return Exchange(
        stamp_ns(msg.header.stamp), int(msg.plan_id), int(msg.epoch), msg.occasion, msg.asked, msg.answered,
        stamp_ns(msg.took),
    )  # fmt: skip


def _cut(text: str) -> str:
    text = utf8(text)
    return text if len(text) <= MOST else f"{text[:MOST]} [{len(text) - MOST} more characters]"
