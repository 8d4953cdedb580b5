"""What is made of the volume for others, each at a rate of its own: what takes long, from a copy and in a worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from map_node.field import Field
from map_node.learned.fill import fill
from map_node.messages import encode_cells, encode_mesh, nearest, occupancy
from map_node.params import MapNodeParams, MeshParams, OccupancyParams
from map_node.sights import Seen
from map_node.volume.base import Blocks, Snapshot, Volume
from map_node.volume.esdf import Labels
from map_node.volume.mesh import mesh
from map_node.world import World
from saccade.clock import MS, nanoseconds, perf_ns
from saccade.geometry import SE3
from saccade.node import Out
from saccade.stages import Stages
from saccade.types import U8, Depth, Image
from saccade.wire.clearance import encode_clearance
from saccade.wire.health import Health, Stage
from saccade.wire.images import encode_image
from saccade.worker import ModelledWorker, ThreadWorker, Worker

if TYPE_CHECKING:
    from map_node.studio import Studio

_EARLY_NS = 30 * MS
"""What is due at every frame must not wait for the next one: frames are not exactly a period apart."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What a product is made of: the world just after the depth image of `stamp_ns`, seen from the robot.

    `frame_id` is odometry's; `depth` is the image that was just added. What is made `aside` gets a copy, no labels, and
    what the robot has seen. What was `learned` is for the mesh alone.
    """

    stamp_ns: int
    frame_id: str
    T_odom_from_base: SE3
    T_base_from_cam: SE3
    depth: Depth
    volume: Volume | Snapshot
    labels: Labels | None
    seen: Seen | None = None
    learned: Blocks | None = None


@dataclass(frozen=True, slots=True)
class Product:
    """One topic that is made of the volume: its stage in the diagnostics, and how many a second at most, 0 = none.

    `make` is called right after an integration, which waits for it, or `aside`: in the worker, with a copy.
    """

    name: str
    topic: str
    rate_hz: float
    make: Callable[[Scene], Out]
    aside: bool = False


@dataclass(frozen=True, slots=True)
class _Occupancy:
    params: OccupancyParams

    def __call__(self, scene: Scene) -> Out:
        assert scene.labels is not None
        ground_m = float(scene.T_odom_from_base.t[2])
        cells = occupancy(scene.labels, ground_m, self.params)
        return Out("map/occupancy", encode_cells(scene.stamp_ns, scene.frame_id, scene.labels, ground_m, cells))


@dataclass(frozen=True, slots=True)
class _Mesh:
    params: MeshParams

    def __call__(self, scene: Scene) -> Out:
        volume = scene.volume
        if scene.learned is not None and isinstance(volume, Snapshot):
            volume = fill(volume, scene.learned)
        made = nearest(mesh(volume), scene.T_odom_from_base.t, self.params.max_triangles)
        return Out("map/mesh", encode_mesh(scene.stamp_ns, scene.frame_id, made))


@dataclass(frozen=True, slots=True)
class _Clearance:
    field: Field

    def __call__(self, scene: Scene) -> Out:
        assert scene.labels is not None
        T_odom_from_cam = scene.T_odom_from_base @ scene.T_base_from_cam
        made = self.field.update(scene.labels, scene.depth, T_odom_from_cam, scene.T_odom_from_base, scene.frame_id)
        return Out("clearance", encode_clearance(made))


@dataclass(frozen=True, slots=True)
class _Picture:
    topic: str
    show: Callable[[int, Volume | Snapshot, Seen, SE3], U8] | None

    def __call__(self, scene: Scene) -> Out:
        assert scene.seen is not None
        assert self.show is not None
        shown = self.show(scene.stamp_ns, scene.volume, scene.seen, scene.T_odom_from_base)
        return Out(self.topic, encode_image(Image(scene.stamp_ns, scene.frame_id, shown)))


def products(params: MapNodeParams, field: Field, studio: Studio | None = None) -> list[Product]:
    """All that the node makes of its volume; one more is one more line. What remembers outlives the parameters.

    Without a studio no picture can be made.
    """
    pictures = params.pictures
    above = _Picture("map/birdseye", studio.birdseye if studio else None)
    behind = _Picture("map/follow", studio.follow if studio else None)
    return [
        Product("clearance", "clearance", params.clearance.rate_hz, _Clearance(field)),
        Product("occupancy", "map/occupancy", params.occupancy.rate_hz, _Occupancy(params.occupancy)),
        Product("mesh", "map/mesh", params.mesh.rate_hz, _Mesh(params.mesh), aside=True),
        Product("birdseye", above.topic, pictures.birdseye_hz, above, aside=True),
        Product("follow", behind.topic, pictures.follow_hz, behind, aside=True),
    ]


def _field(params: MapNodeParams) -> Field:
    return Field(params.volume, params.clearance)


_ALL = products(MapNodeParams(), _field(MapNodeParams()))
STAGES = {product.name: Stage(product.topic, (product.name,)) for product in _ALL}
TOPICS = frozenset(product.topic for product in _ALL)


class _Made(NamedTuple):
    """A product's message, and when it was worked on (`perf_ns`)."""

    product: Product
    stamp_ns: int
    out: Out
    begin_ns: int
    end_ns: int


_Job = tuple[Scene, Sequence[Product]]


def _make(job: _Job) -> list[_Made]:
    scene, due = job
    made = []
    for product in due:
        begin_ns = perf_ns()
        out = product.make(scene)
        made.append(_Made(product, scene.stamp_ns, out, begin_ns, perf_ns()))
    return made


class Products:
    """Makes what is due. The worker has one job at a time; what falls due meanwhile waits for the next frame."""

    def __init__(self, params: MapNodeParams, health: Health, stages: Stages) -> None:
        self._health, self._stages = health, stages
        self._made_ns: dict[str, int] = {}
        from map_node.studio import Studio  # its kernels take seconds to compile: for those who run a map alone

        self._studio, self._field = Studio(params.pictures), _field(params)
        latency_ns = nanoseconds(params.worker_latency_s)
        self._worker: Worker[_Job, list[_Made]] = (
            ThreadWorker(_make, "products") if params.worker == "thread" else ModelledWorker(_make, latency_ns)
        )
        self.retune(params)

    def retune(self, params: MapNodeParams) -> None:
        """See `Tunable.retune`."""
        made = products(params, self._field, self._studio)
        self._wanted = [product for product in made if product.rate_hz]
        for product in made:
            self._health.expect(product.name, product.rate_hz)

    def make(self, world: World, scene: Scene, now_ns: int) -> Iterator[Out]:
        """What is made of the world as it is now; the rest is on its way."""
        due = [product for product in self._wanted if self._due(product, now_ns)]
        yield from self._told(_make((scene, [product for product in due if not product.aside])), now_ns)
        aside = [product for product in due if product.aside]
        if aside and not self._worker.busy:
            with self._stages.timed("snapshot"):
                seen = world.sights.copy(scene.frame_id, now_ns)
                copy = replace(scene, volume=world.snapshot(), labels=None, seen=seen)
            self._made_ns |= {product.name: now_ns for product in aside}
            self._worker.offer((copy, aside), now_ns)

    def poll(self, now_ns: int) -> Iterator[Out]:
        """What the worker has made meanwhile."""
        if done := self._worker.poll(now_ns):
            yield from self._told(done[0], now_ns)

    def forget(self) -> None:
        """Begin anew: what is being made of an earlier world is not sent."""
        self._worker.cancel()
        self._made_ns.clear()
        self._field.forget()

    def close(self) -> None:
        """Stop the worker."""
        self._worker.close()

    def _due(self, product: Product, now_ns: int) -> bool:
        made_ns = self._made_ns.get(product.name)
        return made_ns is None or not 0 <= now_ns - made_ns < nanoseconds(1 / product.rate_hz) - _EARLY_NS

    def _told(self, made: list[_Made], now_ns: int) -> Iterator[Out]:
        for product, stamp_ns, out, begin_ns, end_ns in made:
            if not product.aside:
                self._made_ns[product.name] = now_ns
            self._stages.add(product.name, begin_ns, end_ns)
            self._health.ok(product.name)
            self._health.made(product.name, stamp_ns, now_ns)
            yield out
