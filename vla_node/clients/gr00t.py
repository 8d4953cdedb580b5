"""A client of GR00T's policy server, N1.5 to N1.7: ZeroMQ, one frame of msgpack each way.

https://github.com/NVIDIA/Isaac-GR00T, gr00t/policy/server_client.py (N1.6, N1.7) and gr00t/eval/service.py (N1.5).
Asked is `{"endpoint", "data", "api_token"?}`. The endpoint `kill` is never sent.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

from vla_node.clients.base import MOST_BYTES, Array, BadAnswer, Observation, RoundTrips, ServerError, Unreachable
from vla_node.clients.deadline import Deadline, parsed
from vla_node.clients.lockstep import Lockstep
from vla_node.clients.packing import (
    Malformed,
    Piece,
    array_of,
    head_of_bin,
    memory_of,
    packed,
    size_of,
    unpacked,
)
from vla_node.policies.base import PolicyError
from vla_node.reasoners.secret import read_token

_BEFORE_DATA = b"\x82" + msgpack.packb("__ndarray_class__") + b"\xc3" + msgpack.packb("as_npy")
_MODALITIES = frozenset(("video", "state", "language"))
_MOST_TEXT = 2000


def array_form(array: Array) -> tuple[Piece, ...]:
    """GR00T's map of an ndarray: the bytes of a .npy file, version 1.0."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, np.lib.format.header_data_from_array_1_0(array))
    return _BEFORE_DATA + head_of_bin(head.tell() + array.nbytes) + head.getvalue(), memory_of(array)


def array_hook(entries: dict[Any, Any]) -> Any:
    """The array that a map stands for, or the map. Malformed."""
    if "__ndarray_class__" not in entries:
        return entries
    data = entries.get("as_npy")
    if not isinstance(data, bytes):
        raise Malformed(f"an array as {type(data).__name__} instead of the bytes of a .npy file")
    file = io.BytesIO(data)
    try:
        if np.lib.format.read_magic(file) != (1, 0):
            raise Malformed("an array in a .npy file of another version than 1.0")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    except ValueError as error:
        raise Malformed(f"no .npy file: {error!s:.200}") from error
    array = array_of(data, dtype.str, shape[::-1] if fortran else shape, begin=file.tell())
    return array.T if fortran else array


class Gr00tClient:
    """One connection to one server at `tcp://host:port`; see `PolicyClient`. `token_file` holds the server's api_token.

    An observation of maps `video`, `state` and `language` is sent as N1.6 and later want it, a flat one (`video.front`)
    as N1.5 does. Arrays go as they are: (B, T, H, W, 3) uint8, (B, T, D) float32 (N1.5: without B); a text becomes the
    list that the version expects.
    """

    def __init__(self, address: str, token_file: Path | None = None, most_bytes: int = MOST_BYTES) -> None:
        parsed(address, "tcp://127.0.0.1:5555", "tcp")
        self._name = f"GR00T server {address}"
        self._token = read_token(token_file) if token_file else ""
        self._most_bytes = most_bytes
        self.trips = RoundTrips()
        self._wire = Lockstep(address, self.trips, most_bytes)

    def infer(self, observation: Observation, timeout_ns: int) -> Mapping[str, Array]:
        """See `PolicyClient.infer`: the arrays of the action, (B, T, D) or (T, D) by name, all finite."""
        deadline = Deadline(timeout_ns)
        if set(observation) <= _MODALITIES:
            data: dict[str, Any] = {"observation": {key: _batched(key, observation[key]) for key in observation}}
            data["options"] = None
        else:
            data = {key: [value] if isinstance(value, str) else value for key, value in observation.items()}
        tree = self._ask("get_action", data, deadline)
        return self.trips.judged(_arrays, tree, deadline.begun_ns)

    def reset(self, timeout_ns: int) -> None:
        """See `PolicyClient.reset`; N1.5's servers do not know it, and keep no episode."""
        try:
            self._ask("reset", {"options": None}, Deadline(timeout_ns))
        except ServerError as error:
            if "Unknown endpoint" not in str(error):
                raise

    def probe(self, timeout_ns: int) -> str:
        """The server's modality configuration as JSON, once it has answered a ping."""
        deadline = Deadline(timeout_ns)
        self._ask("ping", None, deadline)
        return json.dumps(self._ask("get_modality_config", None, deadline), default=str)

    def close(self) -> None:
        """See `PolicyClient.close`."""
        self._wire.close()

    def _ask(self, endpoint: str, data: Mapping[str, Any] | None, deadline: Deadline) -> Any:
        """The server's reply as a tree. Unreachable, ServerError."""
        question: dict[str, Any] = {"endpoint": endpoint}
        if data is not None:
            question["data"] = data
        if self._token:
            question["api_token"] = self._token
        pieces = packed(question, array_form)
        if size_of(pieces) > self._most_bytes:
            raise PolicyError(
                f"an observation of {size_of(pieces) / 1e6:.1f} MB; at most {self._most_bytes / 1e6:.1f} are sent: "
                "make the pictures smaller"
            )
        try:
            reply = self._wire.ask(b"".join(pieces), deadline)
            tree = unpacked(reply, array_hook)
            deadline.left_s()
        except (Malformed, Unreachable) as error:
            self.trips.failed += 1
            what = f"it sent {error}" if isinstance(error, Malformed) else error
            raise Unreachable(f"{self._name}: {what}") from error
        if isinstance(tree, dict) and "error" in tree:
            self.trips.failed += 1
            raise ServerError(f"{self._name} answered with an error: {str(tree['error'])[:_MOST_TEXT]}")
        return tree


def _batched(modality: str, value: object) -> object:
    """Texts of `language` as (B, T) lists."""
    if modality != "language" or not isinstance(value, Mapping):
        return value
    return {key: [[text]] if isinstance(text, str) else text for key, text in value.items()}


def _arrays(tree: object) -> dict[str, Array]:
    """The action of `[action, info]` (N1.6 and later) or of a flat map (N1.5). BadAnswer."""
    action = tree[0] if isinstance(tree, list) and len(tree) == 2 else tree
    if not isinstance(action, dict):
        raise BadAnswer(f"the reply is a {type(tree).__name__}; expected [action, info] or an action")
    arrays = {str(name): value for name, value in action.items() if isinstance(value, np.ndarray)}
    if not arrays:
        raise BadAnswer("the reply has no array; ask the server's policy for actions (B, T, D)")
    for name, array in arrays.items():
        if array.dtype.kind not in "fiu" or array.ndim not in (1, 2, 3) or not array.size:
            raise BadAnswer(f"{name!r} is {array.dtype} {array.shape}; expected numbers (B, T, D) or (T, D)")
        if not np.isfinite(array).all():
            raise BadAnswer(f"{name!r} holds NaN or infinity")
    return arrays
