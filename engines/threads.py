"""How many cores there are for inference, and an engine's share of them."""

from __future__ import annotations

import math
import os
from pathlib import Path

MOST = 8
"""Threads of one engine: beyond, a robot's networks wait for themselves, and other processes for cores."""
_CGROUP = Path("/sys/fs/cgroup")


def cores(cgroup: Path = _CGROUP) -> int:
    """The cores that this process may use: those that it is bound to, and no more than its container is granted."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(bound, _granted(cgroup))))


def threads(asked: int, share: float) -> int:
    """Threads of an engine: as many as asked, or, where that is 0, its share of the cores, at least 1, at most MOST.

    Engines that work at the same time have shares that sum up to 1, like 0.75 for perception and 0.25 for a policy.
    """
    return asked or max(1, min(MOST, round(share * cores())))


def _granted(cgroup: Path) -> float:
    """Cores by the quota of cgroup v2 or v1; infinite without one."""
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()[:2]
    except (OSError, ValueError):
        try:
            quota = (cgroup / "cpu/cpu.cfs_quota_us").read_text()
            period = (cgroup / "cpu/cpu.cfs_period_us").read_text()
        except OSError:
            return math.inf
    try:
        granted = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):  # "max": no limit
        return math.inf
    return granted if granted > 0 else math.inf
