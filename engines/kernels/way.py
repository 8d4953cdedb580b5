"""The way of pairs through an engine's own device, where it has one; made when it is gone first or has changed."""

from __future__ import annotations

from contextlib import ExitStack

from engines.card import Card
from engines.engine import ClosesItself, Engine, EngineError
from engines.kernels.launch import Kernels
from engines.kernels.on_device import DeviceEngine, graphs_on_device
from engines.kernels.pair import Keep, Rig, Seen
from engines.kernels.pipeline import DevicePipeline
from engines.kernels.two_graphs import DeviceTwoGraphs
from engines.pictures import Shape
from engines.swapping import SwappingEngine
from saccade.types import U8


class DeviceWay(ClosesItself):
    """Takes pairs through `DevicePipeline` as long as the engine of a card is on a device and its pictures can be, too.

    The engine stays its opener's to close, after this. `report` says where pictures are prepared, and why, if an engine
    on a device gets them from the host; "" for an engine on the host.
    """

    def __init__(self, engine: Engine, card: Card) -> None:
        self._engine, self._card = engine, card
        self._held, self._pipelines = ExitStack(), ExitStack()
        self._taken: Engine | None = None
        self._graph: DeviceEngine | None = None
        self._pipeline: DevicePipeline | None = None
        self._made_for: tuple[Shape, Rig, Keep] | None = None
        self._take(self._current())  # kernels are compiled before the first pair comes

    def begin(self, left: U8, right: U8, rig: Rig, keep: Keep) -> bool:
        """Queue a pair (H, W) or (H, W, 3) uint8 as it came; False where it has to go through the host.

        A `rig` counts as the same as long as it is the same object. EngineError as the engine.
        """
        engine = self._current()
        if engine is not self._taken:
            self._take(engine)
        wanted = left.shape, rig, keep
        if self._made_for != wanted:
            self._made_for = wanted
            self._make(*wanted)
        if self._pipeline is None:
            return False
        self._pipeline.begin(left, right)
        return True

    def end(self) -> Seen:
        """What is seen in the pair that was begun last; valid until the next one is begun."""
        if self._pipeline is None:
            raise EngineError(f"{self._card.name}: no pair was begun on its device")
        return self._pipeline.end()

    def took_ms(self) -> float:
        """How long the device was at the pair that was ended last, copies included."""
        return self._pipeline.times_ms()["total"] if self._pipeline else 0.0

    def close(self) -> None:
        """Free all but the engine."""
        self._pipeline = self._made_for = self._graph = None
        self._pipelines.close()
        self._held.close()

    def _current(self) -> Engine:
        return self._engine.current() if isinstance(self._engine, SwappingEngine) else self._engine

    def _take(self, engine: Engine) -> None:
        """Get ready for an engine, in the place of the one before."""
        self.close()
        self._taken, self.report = engine, ""
        graphs = graphs_on_device(engine)
        if not graphs:
            return
        self._device = graphs[0].device
        try:
            with self._device.use():
                self._kernels = Kernels(self._device)
                self._held.callback(self._unload, self._kernels)
            self._graph = self._joined(graphs)
        except EngineError as error:
            self.report = f"on the CPU: {error}"

    def _joined(self, graphs: list[DeviceEngine]) -> DeviceEngine:
        if len(graphs) == 1:
            return graphs[0]
        return self._held.enter_context(DeviceTwoGraphs(self._device, self._kernels, graphs[0], graphs[1], self._card))

    def _unload(self, kernels: Kernels) -> None:
        with self._device.use():
            kernels.close()

    def _make(self, shape: Shape, rig: Rig, keep: Keep) -> None:
        self._pipelines.close()
        self._pipeline = None
        if self._graph is None:
            return
        try:
            made = DevicePipeline(self._device, self._kernels, self._graph, self._card, shape, rig, keep)
        except EngineError as error:
            self.report = f"on the CPU: {error}"
            return
        self._pipeline = self._pipelines.enter_context(made)
        self.report = f"on {self._device.info.name}"
