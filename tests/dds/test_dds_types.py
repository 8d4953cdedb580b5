"""What is relied on beyond CycloneDDS' public API: when the pinned version moves, these say whether it still holds."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from saccade.topics import TOPICS
from saccade.wire.dds_types import dds_typename, descriptor

FIXED_BOOL = "std_msgs/msg/Bool"


def test_the_pinned_version_is_installed() -> None:
    assert version("cyclonedds") == "11.0.1"


@pytest.mark.parametrize("msgtype", sorted({row.type for row in TOPICS.values()}))
def test_descriptors_have_the_layout_we_think(msgtype: str) -> None:
    made = descriptor(msgtype).contents
    assert made.typename.decode() == dds_typename(msgtype)
    assert (made.nkeys, made.keys) == (0, None)
    assert made.flagset in (0, 1 << 4)  # DDS_TOPIC_FIXED_SIZE; above all not DDS_TOPIC_XTYPES_METADATA
    assert made.align in (1, 2, 4, 8)
    assert made.size % made.align == 0
    assert 0 < made.nops < 200
    assert made.type_information.data
    assert 0 < made.type_information.sz < 5000
    assert 0 < made.type_mapping.sz < 20_000


def test_a_bool_is_one_byte() -> None:
    made = descriptor(FIXED_BOOL).contents
    assert (made.size, made.align, made.nops) == (1, 1, 3)
