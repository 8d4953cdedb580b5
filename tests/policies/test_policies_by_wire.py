"""Policies whose models are behind a wire keep the contract of a policy, whatever the wire."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from policy_scene import card, look, velocity

from vla_node.clients.json_numpy import dumps, loads
from vla_node.policies.check import check_policy
from vla_node.policies.open import open_policy
from vla_node.serving.policy_zmq import PolicyZmqServer


class Hosted:
    """Half of the twist it is shown, in four rows; unless it may not go."""

    metadata: Mapping[str, Any] = {}

    def __init__(self) -> None:
        self.go = threading.Event()
        self.go.set()

    def answer(self, observation: Mapping[str, Any]) -> Mapping[str, Any]:
        assert self.go.wait(30)
        return {"actions": np.repeat(0.5 * observation["state"][None], 4, axis=0)}

    def reset(self) -> None:
        """It remembers nothing."""

    @contextmanager
    def stalled(self) -> Iterator[None]:
        self.go.clear()
        yield
        self.go.set()


def test_over_zmq() -> None:
    hosted, stop = Hosted(), threading.Event()
    server = PolicyZmqServer(hosted, "tcp://127.0.0.1:0")
    thread = threading.Thread(target=server.run, args=(stop,), daemon=True)
    thread.start()
    policy = open_policy(card(velocity(protocol="zmq", address=server.address, timeout_s=10.0)))
    check_policy(policy, look(), stalled=hosted.stalled)
    stop.set()
    thread.join(10)


def test_over_http() -> None:
    hosted = Hosted()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = dumps(hosted.answer(asked["observation"])) if self.path == "/act" else b"{}"  # type: ignore[arg-type]
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    policy = open_policy(card(velocity(address=address, timeout_s=10.0)))
    check_policy(policy, look(), stalled=hosted.stalled)
    server.shutdown()
    server.server_close()
