"""`saccade view` as a viewer sees it: a websocket that carries the recorded bytes."""

from __future__ import annotations

import asyncio
import json
import re
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import websockets
from made_runs import drive_samples, instruction, odom, verdict, write_run

from saccade.cli import main
from saccade.cli import view as view_module
from saccade.cli.view import Viewer
from saccade.node import BusEnd, Sample
from saccade.paths import share
from saccade.topics import TOPICS
from saccade.wire.codec import codec

_DATA = struct.Struct("<BIQ")
"""Of a message frame: opcode 1, subscription, log time; then the message."""


@contextmanager
def viewing(*args: str) -> Iterator[tuple[str, list[str]]]:
    """`saccade view` in a process of its own: (address, what it printed first)."""
    command = [sys.executable, "-m", "saccade.cli", "view", *args, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout is not None
            lines: list[str] = []
            while not lines or "Ctrl-C" not in lines[-1]:
                lines.append(process.stdout.readline())
                assert lines[-1], "".join(lines)
            yield re.search(r"ws://\S+", lines[0])[0], lines  # type: ignore[index]
        finally:
            process.kill()


def watch(url: str, wanted: set[str], enough: int) -> tuple[dict[str, Any], dict[str, list[tuple[int, bytes]]]]:
    """(advertised channels by topic, messages (log time, bytes) of the wanted topics) as Foxglove gets them."""
    return asyncio.run(asyncio.wait_for(_watch(url, wanted, enough), 20))


async def _watch(url: str, wanted: set[str], enough: int) -> tuple[dict[str, Any], dict[str, list[tuple[int, bytes]]]]:
    channels: dict[str, Any] = {}
    heard: dict[str, list[tuple[int, bytes]]] = {name: [] for name in wanted}
    names: dict[int, str] = {}
    async with websockets.connect(url, subprotocols=[websockets.Subprotocol("foxglove.sdk.v1")], max_size=None) as ws:
        while min(map(len, heard.values())) < enough:
            frame = await ws.recv()
            if isinstance(frame, bytes):
                opcode, subscription, log_time = _DATA.unpack_from(frame)
                if opcode == 1:
                    heard[names[subscription]].append((log_time, frame[_DATA.size :]))
                continue
            said = json.loads(frame)
            if said["op"] != "advertise":
                continue
            for channel in said["channels"]:
                channels[channel["topic"]] = channel
                if channel["topic"] in wanted:
                    names[channel["id"]] = channel["topic"]
                    subscription = {"id": channel["id"], "channelId": channel["id"]}
                    await ws.send(json.dumps({"op": "subscribe", "subscriptions": [subscription]}))
    return channels, heard


def test_a_viewer_gets_the_recorded_bytes_under_their_ros_schema(tmp_path: Path) -> None:
    samples = drive_samples(1.0)
    path = write_run(tmp_path / "run.mcap", samples)
    with viewing(str(path)) as (url, _):
        channels, heard = watch(url, {"/verdict", "/depth/image_rect", "/instruction"}, 2)
    assert set(channels) == {f"/{s.topic}" for s in samples}
    for name in ("/verdict", "/depth/image_rect"):
        recorded = {s.stamp_ns: bytes(s.cdr) for s in samples if f"/{s.topic}" == name}
        assert [stamp for stamp, cdr in heard[name] if recorded.get(stamp) != cdr] == [], name
    told = next(bytes(s.cdr) for s in samples if s.topic == "instruction")
    assert {cdr for _, cdr in heard["/instruction"]} == {told}
    shown = channels["/verdict"]
    assert (shown["encoding"], shown["schemaEncoding"]) == ("cdr", "ros2msg")
    assert (shown["schemaName"], shown["schema"]) == (
        TOPICS["verdict"].type,
        codec().definition(TOPICS["verdict"].type)[0],
    )


def test_a_viewer_that_comes_late_still_gets_what_was_said_once(record: Callable[..., Path]) -> None:
    path = record(instruction(0, "go"), *(verdict(100 * i) for i in range(300)))
    with viewing(str(path)) as (url, _):
        _, early = watch(url, {"/verdict"}, 3)
        _, heard = watch(url, {"/instruction"}, 1)
    assert len(early["/verdict"]) == 3
    assert codec().decode("std_msgs/msg/String", heard["/instruction"][0][1]).data == "go"


def test_it_listens_on_this_machine_only_and_says_how_to_connect(record: Callable[..., Path]) -> None:
    with viewing(str(record(verdict(0), verdict(500)))) as (url, lines):
        printed = "".join(lines)
    assert url.startswith("ws://127.0.0.1:")
    assert str(share("config") / "foxglove_layout.json") in printed
    assert "anyone" not in printed


def test_an_open_address_is_said_to_be_open(record: Callable[..., Path]) -> None:
    with viewing(str(record(verdict(0), verdict(500))), "--host", "0.0.0.0") as (_, lines):
        assert "anyone" in "".join(lines)


def test_the_layout_is_printed_and_shows_topics_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["view", "--layout"]) == 0
    path = Path(capsys.readouterr().out.strip())
    layout = json.loads(path.read_text())
    panels = _panels(layout["layout"])
    assert sorted(panels) == sorted(layout["configById"])
    named = re.findall(r'"/([a-z_]+(?:/[a-z_]+)*)', path.read_text())
    assert {"depth/image_rect", "occupancy", "plan/path", "verdict", "cmd_vel", "diagnostics"} <= set(named)
    assert set(named) <= {*TOPICS, "points"}  # point clouds come with a later perception stage


def _panels(layout: Any) -> list[str]:
    if isinstance(layout, str):
        return [layout]
    return [*_panels(layout["first"]), *_panels(layout["second"])]


def test_what_cannot_be_shown_is_an_error_that_says_what_is_expected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], record: Callable[..., Path]
) -> None:
    assert main(["view"]) == 2
    assert "expected a recording, or a bus such as dds:0" in capsys.readouterr().err
    assert main(["view", str(tmp_path / "nowhere.mcap"), "--port", "0"]) == 2
    assert "nowhere.mcap" in capsys.readouterr().err
    assert main(["view", str(record()), "--port", "0"]) == 2
    assert "no message" in capsys.readouterr().err
    assert main(["view", "carrier-pigeon:0", "--port", "0"]) == 2
    assert "no bus 'carrier-pigeon:0'" in capsys.readouterr().err


def test_a_port_in_use_is_an_error_that_names_it(
    record: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    first = Viewer("127.0.0.1", 0, {})
    try:
        assert main(["view", str(record(verdict(0))), "--port", str(first.port), "--once"]) == 2
    finally:
        first.close()
    assert f"127.0.0.1:{first.port}" in capsys.readouterr().err


class _Live:
    """A live bus that says three things and ends."""

    def __init__(self) -> None:
        self._left = [instruction(0, "go"), odom(5, 1.0), verdict(10)]
        self.closed = False

    def now_ns(self) -> int:
        return 0

    def recv(self, deadline_ns: int) -> Sample | None:
        if not self._left:
            raise BusEnd
        return self._left.pop(0)

    def close(self) -> None:
        self.closed = True


def test_a_live_bus_is_passed_on_with_every_topic_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    bus, asked, shown = _Live(), list[Any](), list[Any]()

    def opened(url: str, reads: Any) -> _Live:
        asked.append((url, set(reads)))
        return bus

    monkeypatch.setattr(view_module, "open_bus", opened)
    real = Viewer.show

    def watched(viewer: Viewer, topic: str, stamp_ns: int, cdr: bytes) -> None:
        shown.append(topic)
        real(viewer, topic, stamp_ns, cdr)

    monkeypatch.setattr(Viewer, "show", watched)
    assert main(["view", "dds:7", "--port", "0"]) == 0
    assert asked == [("dds:7", set(TOPICS))]
    assert shown == ["instruction", "odom", "verdict"]
    assert bus.closed
