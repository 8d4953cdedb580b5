"""WebSocket frames against the `websockets` library at the other end, and against bytes that are none."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from time import monotonic

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_peers import LONG
from websockets.frames import Frame, Opcode

from saccade.clock import SEC
from vla_node.clients.base import Unreachable
from vla_node.clients.deadline import Deadline
from vla_node.clients.packing import Malformed
from vla_node.clients.websocket import BINARY, TEXT, Closed, Frames, accept_of

SIZES = [0, 1, 2, 3, 5, 125, 126, 127, 1000, 65535, 65536, 131058, 131072, 300001]
"""Around the steps of the length field, and of what is masked at a time."""


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    a, b = socket.socketpair()
    with a, b:
        yield a, b


def test_the_example_of_the_standard() -> None:
    assert accept_of("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455, 1.3


@given(sizes=st.lists(st.sampled_from(SIZES), max_size=6), masks=st.booleans())
@settings(max_examples=20, deadline=None)
def test_what_one_end_sends_the_other_receives(sizes: list[int], masks: bool) -> None:
    pieces = [bytes((i + n) % 256 for i in range(n)) for n in sizes]
    a, b = socket.socketpair()
    with a, b:
        sender, receiver = Frames(a, masks, 1 << 24), Frames(b, not masks, 1 << 24)
        thread = threading.Thread(target=lambda: [sender.send(BINARY, pieces, Deadline(LONG)) for _ in range(2)])
        thread.start()
        assert receiver.receive(Deadline(LONG)) == b"".join(pieces)
        assert receiver.receive(Deadline(LONG)) == b"".join(pieces)
        thread.join()


def sent(ends: tuple[socket.socket, socket.socket], *frames: Frame) -> Frames:
    """A client's end to which a server has sent frames, as the library writes them."""
    for frame in frames:
        ends[1].sendall(frame.serialize(mask=False))
    return Frames(ends[0], True, 1 << 20)


def test_fragments_are_joined_and_pings_answered(ends: tuple[socket.socket, socket.socket]) -> None:
    client = sent(
        ends,
        Frame(Opcode.BINARY, b"ab", fin=False),
        Frame(Opcode.PING, b"hey"),
        Frame(Opcode.CONT, b"", fin=False),
        Frame(Opcode.PONG, b""),
        Frame(Opcode.CONT, b"cd"),
        Frame(Opcode.TEXT, "é".encode()),
    )
    assert client.receive(Deadline(LONG)) == b"abcd"
    assert client.receive(Deadline(LONG)) == "é"
    pong = ends[1].recv(100)
    assert pong[:2] == bytes([0x8A, 0x83])
    assert bytes(x ^ y for x, y in zip(pong[6:], pong[2:6], strict=False)) == b"hey"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\xc2\x00", "begins with 0xc2"),
        (b"\x83\x00", "begins with 0x83"),
        (b"\x82\x80abcd", "masked"),
        (b"\x80\x01a", "without a beginning"),
        (b"\x02\x01a\x82\x01b", "before the last one has ended"),
        (b"\x89\x7e\x00\x80", "control frame"),
        (b"\x09\x00", "control frame"),
        (b"\x82\x7f\x00\x00\x01\x00\x00\x00\x00\x00", "at most 1.0 are taken"),
        (b"\x02\x7f" + (1 << 20).to_bytes(8, "big") + b"\0" * (1 << 20) + b"\x80\x01a", "at most 1.0"),
    ],
)
def test_frames_that_are_none(ends: tuple[socket.socket, socket.socket], data: bytes, why: str) -> None:
    thread = threading.Thread(target=ends[1].sendall, args=(data,), daemon=True)
    thread.start()
    with pytest.raises(Malformed, match=why):
        Frames(ends[0], True, 1 << 20).receive(Deadline(LONG))
    thread.join()


def test_a_server_takes_no_unmasked_frame(ends: tuple[socket.socket, socket.socket]) -> None:
    ends[1].sendall(Frame(Opcode.BINARY, b"a").serialize(mask=False))
    with pytest.raises(Malformed, match="not masked"):
        Frames(ends[0], False, 1 << 20).receive(Deadline(LONG))


def test_the_last_words_are_told(ends: tuple[socket.socket, socket.socket]) -> None:
    client = sent(ends, Frame(Opcode.CLOSE, b"\x03\xf3enough"))
    with pytest.raises(Closed, match="1011 enough"):
        client.receive(Deadline(LONG))


def test_a_connection_is_quiet_until_something_comes_that_nobody_asked_for(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    client = sent(ends, Frame(Opcode.PING, b""))
    assert client.quiet(Deadline(LONG))
    assert ends[1].recv(100)[:2] == bytes([0x8A, 0x80])
    ends[1].sendall(Frame(Opcode.BINARY, b"late").serialize(mask=False))
    assert not client.quiet(Deadline(LONG))
    hung_up = Frames(ends[1], False, 1 << 20)
    ends[0].close()
    assert not hung_up.quiet(Deadline(LONG))


def test_keys_are_new_for_every_frame(ends: tuple[socket.socket, socket.socket]) -> None:
    client = Frames(ends[0], True, 1 << 20)
    keys = set()
    for _ in range(4):
        client.send(TEXT, [b"a"], Deadline(LONG))
        keys.add(ends[1].recv(7)[2:6])
    assert len(keys) == 4


def test_a_head_without_end_is_refused(ends: tuple[socket.socket, socket.socket]) -> None:
    threading.Thread(target=ends[1].sendall, args=(b"x" * 20000,), daemon=True).start()
    with pytest.raises(Malformed, match="HTTP head"):
        Frames(ends[0], True, 1 << 20).head(Deadline(LONG))


BIG = bytes([BINARY, 127]) + (24 << 20).to_bytes(8, "big") + bytes(24 << 20)
"""The beginning of a message in pieces, to which others of one byte are added for as long as they are taken."""


@pytest.mark.parametrize(("begin", "piece"), [(BIG, b"\x00\x01x"), (b"", b"\x8a\x00")], ids=["pieces", "pongs"])
def test_a_flood_of_small_frames_does_not_outlast_the_deadline(
    ends: tuple[socket.socket, socket.socket], begin: bytes, piece: bytes
) -> None:
    client, over = Frames(ends[0], True, 1 << 26), threading.Event()

    def flood() -> None:
        with suppress(OSError):
            ends[1].sendall(begin)
            for _ in range(100_000):
                if over.is_set():
                    return
                ends[1].sendall(piece * 1000)

    thread = threading.Thread(target=flood)
    thread.start()
    end_s = monotonic() + 3.0
    try:
        if not begin:
            with suppress(Unreachable):  # it may look between two of them
                client.quiet(Deadline(SEC // 2))
        with pytest.raises((Unreachable, TimeoutError)):
            client.receive(Deadline(SEC))
    finally:
        took_s = monotonic() - end_s
        over.set()
        ends[0].close()
        thread.join()
    assert took_s < 1.0
