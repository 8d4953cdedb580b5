"""For all tests of this folder: a ROS 2 domain of their own, on loopback, and a client on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
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
