"""From a pair of pictures to disparity and depth, on the engine's own device where it has one, else on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from engines.card import Card
from engines.engine import EngineError
from engines.kernels.pair import Keep, Seen
from engines.kernels.way import DeviceWay
from engines.open import open_engine
from engines.pictures import Shape
from engines.stereo import Disparity, StereoMatcher
from perception_node.cameras import Sources
from perception_node.depth import Triangulator
from perception_node.params import DepthParams
from saccade.clock import MS, perf_ns
from saccade.stages import Stages
from saccade.types import Depth, StereoPair
from saccade.wire.health import Refused

T = TypeVar("T")


class Matching:
    """Both ways, which give the same numbers, but for a card that resizes pictures (`engines.pictures`).

    A pair is begun as it came. On a device all is queued then, and the CPU is free until `disparity` is asked for; of a
    pair that turns out to be of no use nothing needs to be asked. Results are valid until the next pair is begun.
    """

    def __init__(self, card: Card, params: DepthParams, stages: Stages) -> None:
        self._engine, self._stages = open_engine(card), stages
        self._on_cpu = StereoMatcher(self._engine, card, stages)
        self._on_device = DeviceWay(self._engine, card)
        self._triangulate = Triangulator(params.min_m, params.max_m, params.min_confidence)
        self._checks_itself = card.backend != "onnx"
        self._begun, self._queued = 0, False
        self._seen: Seen | None = None
        self.retune(params)

    def retune(self, params: DepthParams) -> None:
        """See `Tunable.retune`."""
        self._params = params
        self._triangulate.limit(params.min_m, params.max_m, params.min_confidence)
        self._keep = Keep(params.min_m, params.max_m, params.min_confidence, step=0)

    def running(self) -> dict[str, str]:
        """What runs the engine, what it waits for or has changed to, and where pictures are prepared; only what is not
        as a matter of course.
        """
        told = {key: value for key, value in self._engine.report.items() if key in ("runtime", "waiting", "swapped")}
        return told | ({"pictures": self._on_device.report} if self._on_device.report else {})

    def begin(self, sources: Sources) -> None:
        """Take a pair. Refused where the engine does not."""
        every = 0 if self._checks_itself else self._params.left_right_every
        self._check = every > 0 and self._begun % every == 0  # the mirrored pair is matched on the CPU's way alone
        self._begun += 1
        if self._check and self._queued:
            _answered(self._on_device.end)  # one whose answer nobody asked for may still be under way in the engine
        began_ns, self._queued = perf_ns(), not self._check and _answered(lambda: self._queue(sources))
        if self._queued:
            self._stages.add("prepare", began_ns, perf_ns())

    def disparity(self, pair: StereoPair) -> Disparity:
        """Of the pair that was begun, rectified: (H, W) px, NaN = none, and how sure it is. Refused as `begin`."""
        self._seen = None
        if self._queued:
            with self._stages.timed("engine"):
                self._seen = _answered(self._on_device.end)
            over_ns = perf_ns()
            self._stages.add("device", over_ns - round(self._on_device.took_ms() * MS), over_ns)
            return Disparity(self._seen.disparity_px, self._seen.sure)
        limit_px = self._params.left_right_px if self._check else 0.0
        return _answered(lambda: self._on_cpu(pair.left, pair.right, limit_px))

    def depth(self, pair: StereoPair, found: Disparity) -> Depth:
        """Of what `disparity` found, held to the range and to what is sure enough."""
        if self._seen:
            return Depth(pair.stamp_ns, pair.frame_id, self._seen.depth_m, self._seen.confidence, pair.camera)
        return self._triangulate(pair, *found)

    def max_disparity(self, shape: Shape) -> float:
        """See `StereoMatcher.max_disparity`."""
        return self._on_cpu.max_disparity(shape)

    def close(self) -> None:
        """Release the engine and what was made around it."""
        self._on_device.close()
        self._engine.close()

    def _queue(self, sources: Sources) -> bool:
        return self._on_device.begin(sources.left, sources.right, sources.rig, self._keep)


def _answered(work: Callable[[], T]) -> T:
    try:
        return work()
    except EngineError as error:
        raise Refused("stereo", "engine refused", str(error)) from error
