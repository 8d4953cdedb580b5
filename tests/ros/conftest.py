"""For all tests of this folder: a ROS 2 domain of their own, on loopback, and a client on it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from saccade.paths import share

if TYPE_CHECKING:
    from saccade.wire.ros_process import RosProcess


@pytest.fixture(scope="session")
def domain() -> int:
    """A domain that tests of another process are not on."""
    return 1 + os.getpid() % 100


@pytest.fixture(autouse=True, scope="session")
def environment(domain: int) -> Iterator[None]:
    """What rclpy and its child processes go by."""
    before = dict(os.environ)
    os.environ |= {"ROS_DOMAIN_ID": str(domain), "CYCLONEDDS_URI": (share("config") / "cyclonedds.xml").as_uri()}
    yield
    os.environ.clear()
    os.environ |= before


@pytest.fixture
def client() -> Iterator[RosProcess]:
    """A ROS process that calls services."""
    from saccade.wire.ros_process import RosProcess  # not before the tests have looked for rclpy

    process = RosProcess("client")
    process.start()
    yield process
    process.close()


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts nodes as ROS 2 processes, and kills what is left of them."""
    children: list[subprocess.Popen[str]] = []

    def make(node: str, *args: str) -> subprocess.Popen[str]:
        module = "sim" if node == "world_node" else node
        command = [sys.executable, "-m", module, "--ros-args", *args]
        children.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        return children[-1]

    yield make
    for child in children:
        child.kill()
        child.communicate()
