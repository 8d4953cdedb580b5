"""The checks of `saccade doctor` on what lies between processes: DDS, the network, and ROS 2."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

from saccade.cli.doctor.findings import Finding, Grade, finding
from saccade.cli.doctor.host import Host
from saccade.paths import share

_BUFFERS = {"net.core.rmem_max": 4 * 2**20, "net.core.wmem_max": 4 * 2**20}
"""A 720p picture and the next one must fit into a socket's buffer."""
_FRAGMENTS = {"net.ipv4.ipfrag_high_thresh": 128 * 2**20}
_FRAGMENT_TIME = "net.ipv4.ipfrag_time=3"
"""How long the kernel keeps the pieces of a datagram of which one is lost, s; its default of 30 fills the memory."""
_UP, _LOOPBACK_FLAG, _MULTICAST = 0x1, 0x8, 0x1000  # net/if.h

_LOOPBACK = """
import subprocess, sys, time
from saccade.wire.convert import encode_text
from saccade.wire.open import open_bus
echo = '''
from saccade.node import NEVER_NS
from saccade.wire.open import open_bus
bus = open_bus("dds:231", ["instruction"], ["instruction"])
while True:
    cdr = bytes(bus.recv(NEVER_NS).cdr)
    if b"ping" in cdr:
        bus.send("instruction", cdr.replace(b"ping", b"pong"))
'''
child = subprocess.Popen([sys.executable, "-c", echo])
try:
    bus, times = open_bus("dds:231", ["instruction"], ["instruction"]), []
    for n in range(300):
        begin = time.perf_counter()
        bus.send("instruction", encode_text(f"ping {n}"))
        while sample := bus.recv(bus.now_ns() + 50_000_000):
            if f"pong {n}".encode() in bytes(sample.cdr):
                times.append(time.perf_counter() - begin)
                break
        if len(times) == 50:
            break
    times = sorted(times)
    if not times:
        sys.exit("no message came back")
    print(f"{1e3 * times[len(times) // 2] / 2:.2f} ms one way (median of {len(times)})")
finally:
    child.kill()
"""


def middleware(host: Host) -> Iterator[Finding]:
    """DDS between two processes on loopback, the kernel's limits for pictures, and the network interfaces."""
    if "cyclonedds" in host.packages():
        well, told = host.ask(_LOOPBACK)
        advice = "check that the loopback interface is up (ip link set lo up) and that no firewall drops UDP on it"
        yield finding(well, Grade.ERROR, "DDS loopback", told, advice)
    else:
        advice = "ros: buses need none of it; to build cyclonedds for this machine, see docs/platforms.md"
        yield Finding(Grade.WARN, "DDS loopback", "cyclonedds is not installed: there are no dds: buses", advice)
    yield _limits(host, "socket buffers", _BUFFERS, "large pictures lose pieces;")
    yield _limits(
        host, "IP fragments", _FRAGMENTS, "large pictures get lost on a network (not on loopback);", _FRAGMENT_TIME
    )
    yield _interfaces(host)


def _limits(host: Host, what: str, wanted: dict[str, int], why: str, *also: str) -> Finding:
    """A group of kernel settings, with the lines that raise those that are too small, and what goes with them."""
    sizes = {key: size for key in wanted if (size := _sysctl(host, key)) is not None}
    found = ", ".join(f"{key} {size / 2**20:.1f} MiB" for key, size in sizes.items()) or "not readable here"
    lines = [f"{key}={wanted[key]}" for key, size in sizes.items() if size < wanted[key]]
    if not lines:
        return Finding(Grade.OK, what, found)
    advice = f"{why} sudo sysctl -w {' '.join([*lines, *also])}; to keep it: the same lines in"
    return Finding(Grade.WARN, what, found, f"{advice} /etc/sysctl.d/60-saccade.conf")


def _sysctl(host: Host, key: str) -> int | None:
    try:
        return int(host.path(f"proc/sys/{key.replace('.', '/')}").read_text())
    except OSError:
        return None


def _interfaces(host: Host) -> Finding:
    found, loopback = [], False
    for folder in host.paths("sys/class/net/*"):
        try:
            flags, mtu = int((folder / "flags").read_text(), 16), (folder / "mtu").read_text().strip()
        except OSError:
            continue
        loopback |= flags & (_UP | _LOOPBACK_FLAG) == _UP | _LOOPBACK_FLAG
        if flags & _UP:
            found.append(f"{folder.name} (mtu {mtu}{', multicast' if flags & _MULTICAST else ''})")
    advice = "" if loopback else "the loopback interface is down: ip link set lo up"
    return Finding(Grade.OK if loopback else Grade.ERROR, "interfaces up", ", ".join(found) or "none", advice)


_RCLPY = """
import rclpy
from rclpy.utilities import get_rmw_implementation_identifier
print(get_rmw_implementation_identifier())
"""


def ros(host: Host) -> Iterator[Finding]:
    """ROS 2: installed, sourced, usable from this Python, and how its processes find each other."""
    distributions = [path.name for path in host.paths("opt/ros/*")]
    sourced = host.environ.get("ROS_DISTRO")
    if not distributions and not sourced:
        yield Finding(Grade.OK, "ROS 2", "not installed (not needed: dds: buses join its graph without it)")
        return
    if not sourced:
        advice = f"source /opt/ros/{distributions[-1]}/setup.bash, for ros: buses and launch files"
        yield Finding(Grade.OK, "ROS 2", f"{', '.join(distributions)} in /opt/ros, not sourced", advice)
        return
    yield Finding(Grade.OK, "ROS 2", f"{sourced}, sourced")
    well, told = host.ask(_RCLPY)
    yield finding(
        well, Grade.WARN, "rclpy", f"from this Python; middleware {told}" if well else told, _why_no_rclpy(host)
    )
    if well:
        advice = "build the workspace, cd ros2_ws && colcon build, and source install/setup.bash"
        built, said = host.ask("import saccade_msgs.msg; print('built and sourced')")
        yield finding(built, Grade.WARN, "saccade_msgs", said, advice)
    yield _graph(host)


def _why_no_rclpy(host: Host) -> str:
    """What keeps rclpy from this Python, as far as the folders on PYTHONPATH tell."""
    built_for = sorted(set(re.findall(r"python3\.\d+", host.environ.get("PYTHONPATH", ""))))
    mine = f"python3.{sys.version_info.minor}"
    if built_for and mine not in built_for:
        return (
            f"it is built for {', '.join(built_for)}, this is {mine}: use that one, or dds: buses, which need no rclpy"
        )
    return "source ROS 2 and its workspace in this shell, or use dds: buses, which need no rclpy"


def _graph(host: Host) -> Finding:
    """The variables that decide who finds whom."""
    domain, uri = host.environ.get("ROS_DOMAIN_ID") or "0", host.environ.get("CYCLONEDDS_URI")
    others = {name: host.environ.get(name) for name in ("ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_LOCALHOST_ONLY")}
    found = [f"domain {domain} (the same graph is dds:{domain})", f"CYCLONEDDS_URI {uri or 'not set'}"]
    found += [f"{name} {value}" for name, value in others.items() if value]
    advice = f"launch files use loopback alone: export CYCLONEDDS_URI=file://{share('config') / 'cyclonedds.xml'}"
    return Finding(Grade.OK, "ROS graph", ", ".join(found), "" if uri else f"{advice} for what you start by hand")
