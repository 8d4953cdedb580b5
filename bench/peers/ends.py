"""One end of a measurement, in a process of its own and in whatever environment: ours or theirs, client or server.

`ends.py server|client OURS|THEIRS openpi|gr00t PORT CHECKOUT [SIZE CALLS]`. It imports nothing of the benches, so that
it runs in the peers' environments.
"""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import sys
import threading
import time
from pathlib import Path

import numpy as np

ROWS, AXES = 16, 8
PICTURES = {
    "0.3 MB": [(224, 224, 3)] * 2,
    "2.8 MB": [(720, 1280, 3)],
}


def observation(protocol: str, size: str, text: str = "go"):
    """What is asked, in the form of a protocol."""
    rng = np.random.default_rng(7)
    pictures = {f"camera_{i}": rng.integers(0, 255, shape, np.uint8) for i, shape in enumerate(PICTURES[size])}
    joints = np.zeros(7, np.float32)
    if protocol == "openpi":
        return {
            **{f"observation/{name}": p for name, p in pictures.items()},
            "observation/joints": joints,
            "prompt": text,
        }
    video = {name: p[None, None] for name, p in pictures.items()}
    return {"video": video, "state": {"arm": joints[None, None]}, "language": {"task": [[text]]}}


def actions(protocol: str, text: str):
    """A policy without cost; the words make it slow or wrong."""
    if text == "slow":
        time.sleep(0.3)
    rows = np.full((ROWS, AXES), np.nan if text == "nan" else 0.5, np.float32)
    return {"actions": rows} if protocol == "openpi" else {"arm": rows[None]}


def text_of(protocol: str, seen) -> str:
    """The words of an observation."""
    return seen["prompt"] if protocol == "openpi" else seen["language"]["task"][0][0]


def serve_theirs(protocol: str, port: int, checkout: Path) -> None:
    """The stock server, as it is in the checkout."""
    if protocol == "openpi":
        path = checkout / "src" / "openpi" / "serving" / "websocket_policy_server.py"
        spec = importlib.util.spec_from_file_location("websocket_policy_server", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)

        class Policy:
            def infer(self, seen):
                return actions(protocol, text_of(protocol, seen))

        module.WebsocketPolicyServer(Policy(), host="127.0.0.1", port=port).serve_forever()
    sys.path.insert(0, str(checkout))
    from gr00t.policy.policy import BasePolicy
    from gr00t.policy.server_client import PolicyServer

    class Stub(BasePolicy):
        def check_observation(self, observation):
            pass

        check_action = check_observation

        def _get_action(self, observation, options=None):
            return actions(protocol, text_of(protocol, observation)), {}

        def reset(self, options=None):
            return {}

    PolicyServer(Stub(strict=False), host="127.0.0.1", port=port).run()


def serve_ours(protocol: str, port: int) -> None:
    """Our server."""
    from vla_node.serving.gr00t import Gr00tServer
    from vla_node.serving.openpi import OpenPiServer

    class Served:
        metadata = {"modality_config": {}}

        def answer(self, seen):
            return actions(protocol, text_of(protocol, seen))

        def reset(self):
            pass

    kind = OpenPiServer if protocol == "openpi" else Gr00tServer
    kind(Served(), "127.0.0.1", port).run(threading.Event())


def asker(whose: str, protocol: str, port: int, checkout: Path):
    """A client's function from observations to actions."""
    if whose == "ours":
        from vla_node.clients.gr00t import Gr00tClient
        from vla_node.clients.openpi import OpenPiClient

        ours = (
            OpenPiClient(f"ws://127.0.0.1:{port}") if protocol == "openpi" else Gr00tClient(f"tcp://127.0.0.1:{port}")
        )
        return lambda seen: ours.infer(seen, 10**10)
    if protocol == "openpi":
        from openpi_client.websocket_client_policy import WebsocketClientPolicy

        return WebsocketClientPolicy("127.0.0.1", port).infer
    sys.path.insert(0, str(checkout))
    from gr00t.policy.server_client import PolicyClient

    theirs = PolicyClient(host="127.0.0.1", port=port)
    return lambda seen: theirs.get_action(seen)[0]


def measure(ask, protocol: str, size: str, calls: int):
    """Round trips in ms and CPU of this process in ms a call."""
    seen = observation(protocol, size)
    for _ in range(20):
        got = ask(seen)
    assert next(iter(got.values())).shape[-2:] == (ROWS, AXES)
    before, taken = cpu_s(), []
    for _ in range(calls):
        begin = time.perf_counter()
        ask(seen)
        taken.append((time.perf_counter() - begin) * 1000)
    return {"ms": taken, "cpu_ms": (cpu_s() - before) * 1000 / calls}


def cpu_s() -> float:
    """CPU seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    role, whose, protocol, port, checkout = sys.argv[1:]
    if role == "server":
        if whose == "ours":
            serve_ours(protocol, int(port))
        serve_theirs(protocol, int(port), Path(checkout))
    ask = asker(whose, protocol, int(port), Path(checkout))
    for line in sys.stdin:  # "SIZE CALLS" each: clients are measured in turns, so that a slow minute hits all of them
        size, calls = line.rsplit(" ", 1)
        print(json.dumps(measure(ask, protocol, size, int(calls))), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
