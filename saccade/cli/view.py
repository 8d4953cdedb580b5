"""Show a recording or a live bus in Foxglove, over a websocket: of this machine only, unless --host is given."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path

from saccade.clock import SEC
from saccade.errors import ConfigError, DataError
from saccade.node import BusEnd
from saccade.paths import share
from saccade.topics import TOPICS
from saccade.wire.codec import codec
from saccade.wire.open import open_bus
from saccade.wire.reader import open_reader

EXAMPLES = """examples:
  saccade view out/demo/run.mcap            # plays it over and over, in real time
  saccade view dds:0                        # what the nodes say now
  saccade view dds:0 --host 0.0.0.0         # for a laptop beside the robot; anyone on that network can watch
  saccade view --layout                     # where the layout for Foxglove is
"""
_REPEAT_NS = SEC
"""Latched messages are sent again this often, for viewers that connect late."""
_LATCHED = {f"/{row.name}" for row in TOPICS.values() if row.latched}
_BACKLOG = 256
"""Messages kept for a slow viewer before the oldest is dropped."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `saccade view`."""
    parser.add_argument("source", nargs="?", metavar="RECORDING|BUS-URL", help="a recording, or a bus such as dds:0")
    parser.add_argument("--port", type=int, default=8765, help="websocket port, 0 = any free one (default 8765)")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default 127.0.0.1: this machine only)")
    parser.add_argument("--once", action="store_true", help="end with the recording instead of playing it again")
    parser.add_argument("--layout", action="store_true", help="print the path of the shipped layout and end")


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C, or to the end of the bus; with --once to the end of the recording."""
    layout = share("config") / "foxglove_layout.json"
    if args.layout:
        print(layout)
        return 0
    if args.source is None:
        raise ConfigError("nothing to view: expected a recording, or a bus such as dds:0")
    recording = _recording(args.source)
    topics = {row.name: row.type for row in TOPICS.values()} if recording is None else _topics(recording)
    viewer = Viewer(args.host, args.port, topics)
    try:
        print(f"Foxglove: open connection > Foxglove WebSocket > {viewer.url}")
        print(f"  or in a browser: {viewer.app_url}")
        print(f"  layout: Layouts > Import from file > {layout}")
        if not _loopback(args.host):
            print(f"  {args.host} is not this machine alone: anyone who reaches port {viewer.port} can watch")
        print("Ctrl-C ends.", flush=True)
        if recording is None:
            _relay(viewer, args.source)
        else:
            _play(viewer, recording, topics)
            while not args.once:
                viewer.restart()
                _play(viewer, recording, topics)
    except KeyboardInterrupt:
        print()
    finally:
        viewer.close()
    return 0


class Viewer:
    """A Foxglove websocket server that passes CDR bytes through, with a channel for each of the topics {name: type}.

    ConfigError when it cannot listen on `host` and `port`.
    """

    def __init__(self, host: str, port: int, topics: Mapping[str, str]) -> None:
        try:
            import foxglove  # takes a moment; `saccade view --layout` does without
        except ImportError:
            raise ConfigError("a live view needs the Foxglove SDK; try: pip install 'saccade[viz]'") from None

        self._context = foxglove.Context()  # the server does not keep it alive
        self._channels: dict[str, foxglove.Channel] = {}
        # All before the server starts: a viewer that connects meanwhile could miss some.
        for topic, type_ in topics.items():
            text, _ = codec().definition(type_)
            schema = foxglove.Schema(name=type_, encoding="ros2msg", data=text.encode())
            name = f"/{topic.lstrip('/')}"
            self._channels[name] = foxglove.Channel(name, schema=schema, message_encoding="cdr", context=self._context)
        self._latched: dict[str, bytes] = {}
        self._repeat_at_ns = 0
        try:
            self._server = foxglove.start_server(
                name="saccade", host=host, port=port, context=self._context, message_backlog_size=_BACKLOG
            )
        except Exception as error:  # the SDK raises plain RuntimeErrors and OSErrors of its own
            raise ConfigError(f"cannot listen on {host}:{port}: {error}; try another --port, or 0 for any") from error
        self.port: int = self._server.port
        self.url = f"ws://{host}:{self.port}"
        self.app_url: str | None = self._server.app_url()

    def show(self, topic: str, stamp_ns: int, cdr: bytes | memoryview) -> None:
        """Send one message to whoever subscribed; `stamp_ns` is its time of arrival."""
        name = f"/{topic.lstrip('/')}"
        if name in _LATCHED:
            self._latched[name] = bytes(cdr)
        if self._channels[name].has_sinks():
            self._channels[name].log(bytes(cdr), log_time=stamp_ns)
        if time.monotonic_ns() >= self._repeat_at_ns:
            self._repeat_at_ns = time.monotonic_ns() + _REPEAT_NS
            for latched, kept in self._latched.items():
                self._channels[latched].log(kept, log_time=stamp_ns)

    def restart(self) -> None:
        """Tell viewers that time begins anew."""
        self._latched.clear()
        self._server.clear_session()

    def close(self) -> None:
        """Stop serving."""
        self._server.stop()


def _recording(source: str) -> Path | None:
    """The recording that `source` names, or None for a bus."""
    path = source.removeprefix("bag:")
    return Path(path) if path != source or ":" not in source or Path(source).exists() else None


def _topics(path: Path) -> dict[str, str]:
    """{topic: type} of what a recording holds; types that are not known are left out, DataError when all are."""
    reader = open_reader(path)
    try:
        topics = {row.topic: row.type for row in reader.topics if row.count and codec().knows(row.type)}
    finally:
        reader.close()
    if not topics:
        raise DataError(f"{path} holds no message of a known type; there is nothing to show")
    return topics


def _play(viewer: Viewer, path: Path, topics: Mapping[str, str]) -> None:
    """Play a recording once in real time."""
    reader = open_reader(path)
    try:
        anchor: tuple[int, int] | None = None
        for record in reader.records(topics):
            anchor = anchor or (time.monotonic_ns(), record.stamp_ns)
            ahead_ns = record.stamp_ns - anchor[1] - (time.monotonic_ns() - anchor[0])
            time.sleep(max(0.0, ahead_ns / SEC))
            viewer.show(record.topic, record.stamp_ns, record.cdr)
    finally:
        reader.close()


def _relay(viewer: Viewer, url: str) -> None:
    """Pass on what a live bus carries until it ends."""
    bus = open_bus(url, reads=TOPICS)
    try:
        while True:
            sample = bus.recv(bus.now_ns() + SEC)
            if sample is not None:
                viewer.show(*sample)
    except BusEnd:
        pass
    finally:
        bus.close()


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
