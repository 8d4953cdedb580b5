"""Independent jobs over this machine's cores, or over a Ray cluster's: the same results, wherever they come from.

A job and its result are values that can be pickled, and the function has a name in an installed module: it is sent by
that name, so every node of a cluster needs the same version of Saccade. Ray speaks pickle, as process pools do: who can
reach a cluster's ports and has its token runs code on it. `local` starts one for this call alone, on loopback.
"""

from __future__ import annotations

import importlib
import os
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from importlib.metadata import version
from itertools import islice
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from threading import Thread
from typing import Any, TypeVar

from saccade.errors import ConfigError, SaccadeError

J = TypeVar("J")
R = TypeVar("R")

ADDRESSES = "local (one for this call), auto (the one that runs here), HOST:PORT or ray://HOST:PORT"
_ADDRESS = re.compile(r"(?:ray://)?(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>\d{1,5})", re.ASCII)
_REACH_S = 5.0
_STORE_BYTES = 100 * 2**20
_LOOPBACK = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # Ray's switch for a node whose address, and all it binds, is 127.0.0.1
    "RAY_USAGE_STATS_ENABLED": "0",
}


class FleetError(SaccadeError):
    """A job was lost, or could not be run, by the cluster's fault."""


def map_jobs(function: Callable[[J], R], jobs: Sequence[J], processes: int | None = None, ray: str = "") -> Iterator[R]:
    """`function` of each job, in their order; see `as_they_end`."""
    ready: dict[int, R] = {}
    turn = 0
    for index, result in as_they_end(function, jobs, processes, ray):
        ready[index] = result
        while turn in ready:
            yield ready.pop(turn)
            turn += 1


def as_they_end(
    function: Callable[[J], R], jobs: Sequence[J], processes: int | None = None, ray: str = ""
) -> Iterator[tuple[int, R]]:
    """(index of the job, `function` of it), each as soon as it is there.

    `processes`: so many at a time; None: as there are cores. 1: in this process. `ray`: on the cluster of that address
    instead, see ADDRESSES. ConfigError where there is none; what the function raises comes out as it was raised.
    """
    if ray:
        yield from _on_cluster(function, jobs, processes, ray)
    elif processes == 1:
        yield from enumerate(map(function, jobs))
    else:
        with ProcessPoolExecutor(processes, get_context("spawn"), _end_with_parent) as pool:
            indices = {pool.submit(function, job): index for index, job in enumerate(jobs)}
            try:
                for future in as_completed(indices):
                    yield indices[future], future.result()
            finally:
                pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """In a worker: end it when the process that it works for is killed; of itself it would wait for jobs forever."""
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def checked(address: str) -> str:
    """An address that can be one of a cluster. ConfigError says what is valid."""
    match = _ADDRESS.fullmatch(address)
    if address not in ("local", "auto") and (match is None or not 0 < int(match["port"]) < 65536):
        raise ConfigError(f"--ray {address!r}; expected {ADDRESSES}")
    return address


def _on_cluster(
    function: Callable[[J], R], jobs: Sequence[J], processes: int | None, address: str
) -> Iterator[tuple[int, R]]:
    with _cluster(checked(address), processes) as ray:
        remote = ray.remote(num_cpus=1, max_retries=1)(_run)
        most = processes or max(1, int(ray.cluster_resources().get("CPU", 1)))
        waiting = ((remote.remote(function, job, version("saccade")), index) for index, job in enumerate(jobs))
        under_way = dict(islice(waiting, most))
        while under_way:
            (ended,), _ = ray.wait(list(under_way), num_returns=1)
            result, index = _result(ray, ended), under_way.pop(ended)
            under_way.update(islice(waiting, 1))
            yield index, result


def _run(function: Callable[[J], R], job: J, wanted: str) -> R:
    """On a node of the cluster."""
    here = version("saccade")
    if here != wanted:
        raise ConfigError(f"a node of the Ray cluster has Saccade {here}, this machine {wanted}: install the same")
    return function(job)


def _result(ray: Any, reference: Any) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        if isinstance(cause, ModuleNotFoundError):
            raise ConfigError(f"a node of the Ray cluster cannot run this ({cause}): install Saccade there") from error
        raise cause from error
    except ray.exceptions.RayError as error:
        told = str(error).strip().splitlines() or [type(error).__name__]
        raise FleetError(f"the Ray cluster lost a job: {told[0]}") from error


@contextmanager
def _cluster(address: str, processes: int | None) -> Iterator[Any]:
    """A connection to a cluster, as the module `ray`."""
    if address == "local":
        os.environ.update(_LOOPBACK)  # before Ray is imported: it reads them once, and its processes inherit them
    ray = _library()
    quiet = {"log_to_driver": False, "configure_logging": False}
    try:
        if address == "local":
            store = {"object_store_memory": _STORE_BYTES, "include_dashboard": False}
            ray.init("local", num_cpus=processes or os.cpu_count(), **store, **quiet)
        else:
            _reach(address)
            ray.init(address, **quiet)
    except (ConnectionError, RuntimeError, TimeoutError, ValueError, ImportError) as error:
        told = str(error).strip().splitlines() or [type(error).__name__]
        raise ConfigError(f"--ray {address}: {told[0]}") from error
    try:
        if address == "local" and not str(ray.util.get_node_ip_address()).startswith("127."):
            raise ConfigError("--ray local: Ray was imported before and would listen beyond this machine")
        yield ray
    finally:
        ray.shutdown()


def _library() -> Any:
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise ConfigError(f"--ray needs Ray ({error}): pip install 'saccade[fleet]'") from error


def _reach(address: str) -> None:
    """ConnectionError at once where nothing listens: Ray itself would try for a minute."""
    match = _ADDRESS.fullmatch(address)
    if match is not None:
        host = match["host"].strip("[]")
        try:
            socket.create_connection((host, int(match["port"])), _REACH_S).close()
        except OSError as error:
            raise ConnectionError(f"nothing answers there ({error.strerror or error})") from error
