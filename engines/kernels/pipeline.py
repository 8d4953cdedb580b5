"""A raw pair to depth and points on a device: one upload, two kernels around the network, one download, one stream."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from math import prod

import numpy as np

from engines.card import Card
from engines.device.device import Argument, Device, DeviceTensor, Event, Graph, HostDeviceArray, Memory, Stream
from engines.disparity import numbers, shown_part
from engines.engine import Array, ClosesItself, EngineError
from engines.kernels.launch import Kernels, kind_of
from engines.kernels.on_device import DeviceEngine
from engines.kernels.pair import Keep, Rig, Seen
from engines.kernels.structs import ORDERS, PREPARATION, TRIANGULATION
from engines.kernels.tables import fitting, nearest
from engines.pictures import Shape, fitted_shape
from saccade.types import U8

_log = logging.getLogger(__name__)

STAGES = ("upload", "prepare", "engine", "triangulate", "download")


class DevicePipeline(ClosesItself):
    """What `StereoMatcher`, `Triangulator` and `Clouds` do on the CPU, for raw pairs of one shape and one rig.

    raw: (H, W) grey or (H, W, 3) RGB uint8. The engine and the kernels stay their opener's to close. Where the device
    has graphs, the second call captures the whole way, if that can be, and those after it start it as one. EngineError
    for a card whose model does not say itself how sure it is: that is judged on the CPU.
    """

    def __init__(
        self, device: Device, kernels: Kernels, engine: DeviceEngine, card: Card, raw: Shape, rig: Rig, keep: Keep
    ) -> None:
        if not card.output.confidence:
            raise EngineError(f"card {card.name!r} names no output.confidence; use StereoMatcher, which judges itself")
        size = rig.camera.height, rig.camera.width
        if wrong := [s for s in ([m[0].shape[:2] for m in rig.maps] if rig.maps else [raw[:2]]) if s != size]:
            raise EngineError(f"{'maps' if rig.maps else 'pictures'} are {wrong[0]}, the rig's are {size} (H, W)")
        self._device, self._kernels, self._engine, self._card = device, kernels, engine, card
        self._raw, self._rig, self._keep = raw, rig, keep
        self._graphs = card.tensorrt.graphs and device.supports_graphs
        self._graph: Graph | None = None
        self._runs, self._closed = 0, False
        with device.use(), ExitStack() as made:  # what was made is closed again where the rest cannot be
            self._made = made
            self._stream: Stream = self._made.enter_context(device.stream(card.tensorrt.priority))
            self._events: list[Event] = [self._made.enter_context(device.event()) for _ in (*STAGES, "end")]
            self._allocate()
            self._made = made.pop_all()  # for `close`

    def __call__(self, left: U8, right: U8) -> Seen:
        """What is seen in a pair: `begin` and `end` in one."""
        self.begin(left, right)
        return self.end()

    def begin(self, left: U8, right: U8) -> None:
        """Copy a pair, queue all that is to be done with it, and return; what was begun before need not be ended.

        EngineError as the engine, or for pictures of another shape.
        """
        if wrong := [picture.shape for picture in (left, right) if picture.shape != self._raw]:
            raise EngineError(f"a picture of shape {wrong[0]}; this pipeline was made for {self._raw}")
        with self._device.use():
            self._stream.synchronize()  # nothing may read the pictures of a pair before while they are written
            for array, picture in zip(self._pictures, (left, right), strict=True):
                np.copyto(array.array, picture)
            self._events[0].record(self._stream)
            if self._graphs and self._runs == 1:
                self._capture()
            if self._graph is not None:
                self._graph.launch(self._stream)
            else:
                self._work(timed=True)
            self._events[-1].record(self._stream)
        self._runs += 1

    def end(self) -> Seen:
        """Wait for the pair that was begun last, and what is seen in it; valid until the next one is begun."""
        with self._device.use():
            self._stream.synchronize()
        return Seen(*(array.array for array in self._results))

    def times_ms(self) -> dict[str, float]:
        """Milliseconds on the device of the last call: of each stage and in all; with a graph, in all alone."""
        with self._device.use():
            times = {"total": self._events[-1].elapsed_ms(self._events[0])}
            if self._graph is None:
                places = zip(STAGES, self._events[1:], self._events, strict=False)
                times.update((stage, end.elapsed_ms(begin)) for stage, end, begin in places)
        return times

    def close(self) -> None:
        """Wait for what was begun and free what was made here; closing twice is allowed."""
        with self._device.use():
            if not self._closed:
                self._stream.synchronize()
            self._closed = True
            if self._graph is not None:
                self._graph.close()
                self._graph = None
            self._made.close()

    def _capture(self) -> None:
        try:
            self._graph = self._device.capture(self._stream, lambda: self._work(timed=False))
        except EngineError as error:  # some networks, such as those with loops, cannot be captured
            _log.warning("%s: queued anew for each pair, as it cannot be captured: %s", self._card.name, error)

    def _work(self, timed: bool) -> None:
        stream, rig = self._stream, self._rig
        width, height = rig.camera.width, rig.camera.height
        fitted = fitted_shape(self._card.size, (height, width))

        def over(stage: str) -> None:
            if timed:  # a graph keeps no times
                self._events[STAGES.index(stage) + 1].record(stream)

        for picture in self._pictures:
            picture.upload(stream)
        over("upload")
        tensors = self._tensors
        before = (self._how, *self._pictures, *self._maps, *self._taps, *tensors)
        self._kernels.launch("prepare", (fitted[1], fitted[0], 2), before, stream)
        over("prepare")
        given = self._engine.infer_on_device(
            dict(zip((self._card.left, self._card.right), tensors, strict=True)), stream
        )
        over("engine")
        disparity, sure = (given[name] for name in (self._card.output.name, self._card.output.confidence))
        after = (*self._read(disparity, sure), self._pictures[0], *self._maps[:2], *self._rays, *self._results)
        self._kernels.launch("triangulate", (width, height, 1), after, stream)
        over("triangulate")
        for result in self._results[: None if self._keep.step else -1]:
            result.download(stream)
        over("download")

    def _allocate(self) -> None:
        """All that does not depend on what the model gives."""
        card, camera, keep = self._card, self._rig.camera, self._keep
        shape = camera.height, camera.width
        self._pictures = [self._array(self._raw, "uint8") for _ in range(2)]
        fitted, channels = fitted_shape(card.size, shape), 1 if card.colour.order == "grey" else 3
        tensor_shape = {
            "hw": fitted, "nchw": (1, channels, *fitted), "nhwc": (1, *fitted, channels),
        }[card.colour.layout]  # fmt: skip
        dtypes = {tensor.name: tensor.dtype for tensor in self._engine.spec.inputs}
        self._tensors = [self._memory(tensor_shape, dtypes[name]) for name in (card.left, card.right)]
        rows, columns = fitting(card.size, shape)
        self._taps = [self._constant(table) for table in (*rows, *columns)]
        maps = self._rig.maps
        self._maps: list[Argument] = (
            [np.uint64(0)] * 4 if maps is None else [self._constant(table) for map_ in maps for table in map_]
        )
        colour, kind = card.colour, kind_of(self._tensors[0], card.left)
        self._how = self._constant(np.array((
            self._camera(), *fitted, rows.weights.shape[1], columns.weights.shape[1], ORDERS[colour.order],
            colour.layout == "nchw", kind, colour.white / 255.0,
            np.broadcast_to(np.array(colour.mean, np.float32), 3), np.broadcast_to(np.array(colour.std, np.float32), 3),
        ), PREPARATION))  # fmt: skip
        first, step = keep.step // 2, keep.step or max(shape)  # without points one is made, and never fetched
        v, u = np.arange(first, camera.height, step), np.arange(first, camera.width, step)
        rays = (u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy
        self._rays = [self._constant(ray.astype(np.float32)) for ray in rays]
        self._points_shape = len(v), len(u)
        kinds = "float32", "uint8", "float32", "uint8"
        self._results = [
            *(self._array(shape, kind) for kind in kinds), self._array((*self._points_shape, 4), "float32")
        ]  # fmt: skip
        self._given: tuple[DeviceTensor, ...] = ()
        self._stream.synchronize()

    def _read(self, *given: DeviceTensor) -> list[Argument]:
        """The kernel's first arguments: how to read the model's two planes, the planes, and where the picture is."""
        if given != self._given:
            card, rig, keep = self._card, self._rig, self._keep
            shape = rig.camera.height, rig.camera.width
            raw, sure = planes = [self._plane(tensor) for tensor in given]
            how = np.array((
                self._camera(), raw.shape[1], kind_of(raw, "disparity"), sure.shape[1], kind_of(sure, "confidence"),
                *numbers(raw.shape, card, shape), rig.cx_right - rig.camera.cx, rig.camera.fx * rig.baseline_m,
                keep.min_m, keep.max_m, max(1, keep.min_confidence), keep.step or max(shape), *self._points_shape,
            ), TRIANGULATION)  # fmt: skip
            parts = [shown_part(plane.shape, card.size, shape) for plane in planes]
            tables = [nearest(*sizes) for part in parts for sizes in zip(part, shape, strict=True)]
            self._reading: list[Argument] = [self._constant(how), *planes, *(self._constant(table) for table in tables)]
            self._stream.synchronize()
            self._given = given
        return self._reading

    def _plane(self, tensor: DeviceTensor) -> DeviceTensor:
        """The (h, w) plane of an output, as `engines.pictures.plane` finds it."""
        sizes = [size for size in tensor.shape if size != 1]
        if len(sizes) == 3 and (channel := self._card.output.channel) < sizes[0]:
            offset = channel * sizes[1] * sizes[2] * np.dtype(tensor.dtype).itemsize
            return DeviceTensor(tensor.address + offset, tuple(sizes[1:]), tensor.dtype)
        if len(sizes) != 2:
            raise EngineError(f"card {self._card.name!r}: output of shape {tensor.shape}; expected one (H, W) plane")
        return DeviceTensor(tensor.address, tuple(sizes), tensor.dtype)

    def _camera(self) -> tuple[int, ...]:
        camera = self._rig.camera
        channels = 1 if len(self._raw) == 2 else 3
        return (*self._raw[:2], channels, camera.height, camera.width, self._rig.maps is not None)

    def _array(self, shape: Shape, dtype: str) -> HostDeviceArray:
        return self._made.enter_context(self._device.array(shape, dtype))

    def _memory(self, shape: Shape, dtype: str) -> DeviceTensor:
        memory = self._made.enter_context(self._device.memory(prod(shape) * np.dtype(dtype).itemsize))
        return DeviceTensor(memory.address, tuple(shape), dtype)

    def _constant(self, table: Array) -> Memory:
        """A table on the device; `table` must live until the stream is synchronised."""
        memory = self._made.enter_context(self._device.memory(table.nbytes))
        self._device.to_device(memory.address, np.ascontiguousarray(table), self._stream)
        return memory
