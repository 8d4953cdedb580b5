"""Type hashes equal ROS's own, which are kept in type_hashes.json together with the distribution they come from.

With a sourced ROS 2 (Iron or later) that has saccade_msgs, `pytest tests/wire/test_type_hashes.py -m ros` compares with
what rosidl installed there, and with `--update-golden` writes that down.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from saccade.topics import SERVICES, TOPICS
from saccade.wire.codec import codec

GOLDEN = Path(__file__).with_name("type_hashes.json")
HASHES = json.loads(GOLDEN.read_text())["hashes"]


def needed() -> set[str]:
    """Every type that is announced or recorded, and all of our own."""
    announced = {row.message_type for row in (*TOPICS.values(), *SERVICES.values())}
    whole = {row.type for row in (*TOPICS.values(), *SERVICES.values())}
    graph = {"rmw_dds_common/msg/ParticipantEntitiesInfo"}
    return announced | whole | graph | {name for name in HASHES if name.startswith("saccade_msgs/")}


def installed() -> dict[str, str]:
    """Hash by type name, of all that rosidl installed."""
    hashes = {}
    for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        for path in Path(prefix, "share").glob("*/*/*.json"):
            known = json.loads(path.read_text()).get("type_hashes", []) if path.parent.name in KINDS else []
            hashes |= {entry["type_name"]: entry["hash_string"] for entry in known}
    return hashes


KINDS = ("msg", "srv", "action")


@pytest.mark.parametrize("msgtype", sorted(HASHES))
def test_hashes_are_those_of_ros(msgtype):
    assert codec().type_hash(msgtype) == HASHES[msgtype]


def test_every_type_on_the_wire_has_a_known_hash():
    assert needed() - set(HASHES) == set()


def test_every_file_of_our_package_has_a_known_hash():
    files = (Path(__file__).parents[2] / "ros2_ws/src/saccade_msgs").glob("*/*.*")
    ours = {f"saccade_msgs/{path.suffix[1:]}/{path.stem}" for path in files if path.suffix[1:] in KINDS}
    assert len(ours) >= 7
    assert ours - set(HASHES) == set()


def test_a_hash_notices_a_renamed_field(monkeypatch):
    constants, fields = codec()._store.fielddefs["saccade_msgs/srv/SetInstruction_Request"]
    monkeypatch.setitem(codec()._store.fielddefs, "saccade_msgs/srv/SetInstruction_Request", (
        constants, [("instructions", field) for _, field in fields]))  # fmt: skip
    for msgtype in ("saccade_msgs/srv/SetInstruction_Request", "saccade_msgs/srv/SetInstruction"):
        assert codec().type_hash(msgtype) != HASHES[msgtype]


@pytest.mark.ros
def test_the_installation_agrees(request):
    found = installed()
    assert found, "no type descriptions found; source a ROS 2 installation, Iron or later, with saccade_msgs"
    if request.config.getoption("--update-golden"):
        ours = {name for name in found if name.startswith("saccade_msgs/")}
        names = sorted(ours | {name for name in needed() if name in found})
        kept = {"distribution": os.environ.get("ROS_DISTRO", ""), "hashes": {name: found[name] for name in names}}
        GOLDEN.write_text(json.dumps(kept, indent=1) + "\n")
    assert {name: codec().type_hash(name) for name in HASHES} == {name: found.get(name) for name in HASHES}
