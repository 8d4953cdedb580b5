"""Client of LeRobot's asynchronous inference server: gRPC, transport.AsyncInference, with pickles for messages.

github.com/huggingface/lerobot, src/lerobot/transport/services.proto and async_inference/policy_server.py. Its pickles
are read as data (`torch_pickle`), never run. The server has the weights loaded by its client, drops observations that
are like the one before unless they must go, and answers with nothing at all when its model fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from saccade.clock import MS, SEC, perf_ns, seconds
from saccade.errors import ConfigError
from vla_node.clients.base import MOST_BYTES, Array, Observation, RoundTrips, ServerError, Unreachable
from vla_node.clients.deadline import Deadline
from vla_node.clients.pickled import BadPickle, Made, Name, dumps
from vla_node.clients.torch_pickle import MODULES, timed_actions
from vla_node.policies.base import PolicyError

_PIECE = 2 * 1024 * 1024
_BEGIN, _MIDDLE, _END = 1, 2, 3
_LOADING_S = 600.0
"""How long a server may load its weights before it is asked to again."""


class LeRobotClient:
    """See `PolicyClient`. The first calls raise Unreachable while the server loads `pretrained`; later ones too when it
    has been started again.

    An observation is flat, as LeRobot's robots give it: a number a motor (`shoulder_pan.pos`), pictures (H, W, 3) uint8
    by camera, and `task`. The answer is `actions` (k, d), motors in the order of the observation.
    """

    def __init__(
        self, address: str, policy_type: str, pretrained: str, device: str, horizon: int, most_bytes: int = MOST_BYTES
    ) -> None:
        """address: host:port. ConfigError without grpcio."""
        try:
            import grpc
        except ImportError as error:
            raise ConfigError("protocol lerobot needs gRPC; pip install 'saccade[lerobot]'") from error
        self._grpc: Any = grpc
        self._address, self._most = address, most_bytes
        self._policy = {"policy_type": policy_type, "pretrained_name_or_path": pretrained,
                        "actions_per_chunk": horizon, "device": device, "rename_map": {}}  # fmt: skip
        self.trips = RoundTrips()
        self._timestep = 0
        self._loading: Any = None
        self._loaded = False
        options = {"max_receive_message_length": most_bytes, "max_send_message_length": most_bytes, "enable_retries": 0,
                   "initial_reconnect_backoff_ms": 100, "max_reconnect_backoff_ms": 500,
                   "use_local_subchannel_pool": 1}  # fmt: skip
        self._channel = grpc.insecure_channel(address, options=[(f"grpc.{k}", v) for k, v in options.items()])
        service = "/transport.AsyncInference/"
        self._ready = self._channel.unary_unary(f"{service}Ready")
        self._instruct = self._channel.unary_unary(f"{service}SendPolicyInstructions")
        self._observe = self._channel.stream_unary(f"{service}SendObservations")
        self._get_actions = self._channel.unary_unary(f"{service}GetActions")

    def infer(self, observation: Observation, timeout_ns: int) -> Mapping[str, Array]:
        """See `PolicyClient.infer`."""
        deadline = Deadline(timeout_ns)
        raw = _raw(observation)
        try:
            actions = self._asked(raw, deadline)
        except (Unreachable, self._grpc.FutureTimeoutError):
            self.trips.failed += 1
            raise Unreachable(f"{self._address}: {self._no_answer(timeout_ns)}") from None
        except self._grpc.RpcError as error:
            self.trips.failed += 1
            raise self._failure(error, timeout_ns) from error
        except BadPickle as error:
            self.trips.failed += 1
            raise Unreachable(f"{self._address} answered a pickle that is not read: {error}") from error
        except ServerError:
            self.trips.failed += 1
            raise
        self.trips.took(perf_ns() - deadline.begun_ns)
        return {"actions": actions}

    def reset(self, timeout_ns: int) -> None:
        """See `PolicyClient.reset`; a server that has loaded nothing yet has nothing to forget."""
        if not self._loaded:
            return
        try:
            self._ready(b"", timeout=seconds(timeout_ns))
        except self._grpc.RpcError as error:
            raise self._failure(error, timeout_ns) from error

    def probe(self, timeout_ns: int) -> str:
        """See `PolicyClient.probe`."""
        try:
            self._grpc.channel_ready_future(self._channel).result(timeout=seconds(timeout_ns))
        except self._grpc.FutureTimeoutError:
            raise Unreachable(f"{self._address}: {self._no_answer(timeout_ns)}") from None
        return f"{self._address} speaks gRPC; {self._policy['pretrained_name_or_path']} " + (
            "is loaded" if self._loaded else "has not been loaded for this client"
        )

    def close(self) -> None:
        """See `PolicyClient.close`."""
        self._channel.close()

    def _asked(self, raw: dict[str, Any], deadline: Deadline) -> Array:
        self._load(raw, deadline)
        self._timestep += 1
        state = {"timestamp": perf_ns() / SEC, "timestep": self._timestep, "observation": raw, "must_go": True}
        message = dumps(Made(Name(MODULES[0], "TimedObservation"), state=state))
        if len(message) > self._most:
            raise PolicyError(
                f"{self._address}: the observation has {len(message)} bytes, at most {self._most} are sent"
            )
        self._observe(_pieces(message), timeout=deadline.left_s())
        while True:
            data = _bytes_field(self._get_actions(b"", timeout=deadline.left_s()))
            if not data:
                self._loaded = False
                raise ServerError(f"{self._address} answered without actions: its model failed, and its log says why")
            timestep, rows = timed_actions(data)
            if timestep == self._timestep:
                return rows
            self.trips.late += 1

    def _load(self, raw: dict[str, Any], deadline: Deadline) -> None:
        """Have the server load the weights, unless it has; the loading goes on when the deadline has passed."""
        if self._loaded:
            return
        if self._loading is None:
            self._ready(b"", timeout=deadline.left_s())
            config = Made(
                Name(MODULES[0], "RemotePolicyConfig"), state={**self._policy, "lerobot_features": _features(raw)}
            )
            self._loading = self._instruct.future(_field(1, dumps(config)), timeout=_LOADING_S)
        try:
            self._loading.result(timeout=deadline.left_s())
        except self._grpc.RpcError:
            self._loading = None
            raise
        self._loading, self._loaded = None, True

    def _failure(self, error: Any, timeout_ns: int) -> PolicyError:
        code, status = error.code(), self._grpc.StatusCode
        if code is status.DEADLINE_EXCEEDED:
            self.trips.late += 1
            return Unreachable(f"{self._address}: {self._no_answer(timeout_ns)}")
        if code is status.UNKNOWN:
            return ServerError(f"{self._address}: {str(error.details())[:500]}")
        self._loaded = False
        return Unreachable(f"{self._address}: {code.name.lower().replace('_', ' ')}, {str(error.details())[:300]}")

    def _no_answer(self, timeout_ns: int) -> str:
        loading = f"it is loading {self._policy['pretrained_name_or_path']}, " if self._loading is not None else ""
        return f"{loading}no answer within {timeout_ns / MS:.0f} ms"


def _raw(observation: Observation) -> dict[str, Any]:
    """An observation as LeRobot's robots give it."""
    out: dict[str, Any] = {}
    for key, value in observation.items():
        if isinstance(value, np.ndarray) and value.size == 1:
            out[key] = float(value.reshape(-1)[0])
        elif isinstance(value, str) or (isinstance(value, np.ndarray) and value.ndim == 3):
            out[key] = value
        else:
            raise PolicyError(f"{key!r}: LeRobot takes a number a motor, pictures (H, W, 3) and texts; change the card")
    return out


def _features(raw: dict[str, Any]) -> dict[str, Any]:
    """What LeRobot's hw_to_dataset_features says of such an observation (lerobot/utils/feature_utils.py)."""
    motors = [key for key, value in raw.items() if isinstance(value, float)]
    features: dict[str, Any] = {}
    if motors:
        features["observation.state"] = {"dtype": "float32", "shape": (len(motors),), "names": motors}
    for key, value in raw.items():
        if isinstance(value, np.ndarray):
            names = ["height", "width", "channels"]
            features[f"observation.images.{key}"] = {"dtype": "image", "shape": value.shape, "names": names}
    return features


def _pieces(message: bytes) -> Iterator[bytes]:
    """The messages Observation {transfer_state = 1; data = 2} that a long one is sent in."""
    for begin in range(0, len(message), _PIECE):
        last = begin + _PIECE >= len(message)
        state = _END if last else _BEGIN if begin == 0 else _MIDDLE
        yield bytes([1 << 3, state]) + _field(2, message[begin : begin + _PIECE])


def _field(number: int, data: bytes) -> bytes:
    """A protobuf field of bytes."""
    size, head = len(data), bytearray([number << 3 | 2])
    while size > 127:
        head.append(size & 127 | 128)
        size >>= 7
    return bytes(head) + bytes([size]) + data


def _bytes_field(message: bytes) -> bytes:
    """The bytes of Actions {data = 1}; none of an empty message. BadPickle for another."""
    if not message:
        return b""
    size, at = 0, 1
    while at < min(len(message), 7):
        size |= (message[at] & 127) << 7 * (at - 1)
        at += 1
        if message[at - 1] < 128:
            break
    if message[0] != 1 << 3 | 2 or at + size != len(message):
        raise BadPickle("a message that is no Actions")
    return message[at:]
