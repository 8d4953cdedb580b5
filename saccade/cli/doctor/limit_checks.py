"""The checks of `saccade doctor` on what is left to use: processors, room on disk, the cache of engines."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from saccade.cli.doctor.findings import Finding, Grade
from saccade.cli.doctor.host import Host
from saccade.paths import user_cache

if TYPE_CHECKING:
    from engines.store.manifest import Entry, Manifest

_ENGINES_FREE, _RECORDINGS_FREE = 2 * 2**30, 10 * 2**30
"""Room for a few engines with their timing caches; for an hour of recorded 640x480 pairs."""

_VERSIONS = """
import json, sys
from engines.store.compilers import COMPILERS, compiler_of
told = {}
for runtime in COMPILERS:
    try:
        told[runtime] = compiler_of(runtime).versions()
    except Exception:
        pass
print(json.dumps(told))
"""


def limits(host: Host) -> Iterator[Finding]:
    """Cores that a container may really use, and room on disk."""
    quota = _quota(host)
    cores = len(os.sched_getaffinity(0))
    if quota is not None and quota < cores:
        advice = (
            "pools of threads are made for all cores, and then wait for each other: give the container all of them "
            "(--cpuset-cpus instead of --cpus), or set the cards' intra_threads no higher"
        )
        yield Finding(Grade.WARN, "CPU quota", f"{quota:.1f} processors' time on {cores} cores (cgroup)", advice)
    for what, folder, least in (("engines", user_cache(), _ENGINES_FREE), ("recordings", Path.cwd(), _RECORDINGS_FREE)):
        free = shutil.disk_usage(_existing(folder)).free
        advice = (
            ""
            if free >= least
            else f"at least {least / 2**30:.0f} GiB are wanted; saccade engine gc --yes, or another disk"
        )
        grade = Grade.OK if free >= least else Grade.WARN
        yield Finding(grade, f"room for {what}", f"{free / 2**30:.1f} GiB at {folder}", advice)


def _quota(host: Host) -> float | None:
    """How many processors' time the control group allows (cgroup v2, then v1); None where it is not limited."""
    limit, _, period = host.text("sys/fs/cgroup/cpu.max").partition(" ")
    if not limit:
        limit, period = (host.text(f"sys/fs/cgroup/cpu/cpu.cfs_{name}_us") for name in ("quota", "period"))
    return int(limit) / int(period) if limit.isdigit() and period.isdigit() and int(period) else None


def _existing(folder: Path) -> Path:
    return next(parent for parent in (folder, *folder.parents) if parent.exists())


def store(host: Host) -> Iterator[Finding]:
    """Compiled engines: how many may be used, what is in quarantine, not to be trusted, or for other versions."""
    from engines.store.advice import unusable
    from engines.store.manifest import entries, root

    found = entries()
    if not found:
        yield Finding(Grade.OK, "engine cache", f"empty ({root()})")
        return
    size = sum(file.stat().st_size for file in root().rglob("*") if file.is_file())
    troubles = [unusable(entry) if entry.manifest and entry.manifest.status == "verified" else "" for entry in found]
    counts = Counter(
        "unusable" if trouble else entry.manifest.status if entry.manifest else "unreadable"
        for entry, trouble in zip(found, troubles, strict=True)
    )
    told = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    yield Finding(Grade.OK, "engine cache", f"{told}; {size / 2**20:.0f} MiB in {root()}")
    for entry, trouble in zip(found, troubles, strict=True):
        if entry.trouble:
            yield Finding(Grade.WARN, "engine cache", entry.trouble, "it is not used until then")
        elif entry.manifest is None:
            yield Finding(
                Grade.WARN, "engine cache", f"{entry.folder.name}: a build that did not end", "saccade engine gc --yes"
            )
        elif entry.manifest.status == "quarantined":
            advice = f"{_line(entry.manifest)} --again, once the reason is gone"
            yield Finding(Grade.WARN, "engine cache", f"{entry.folder.name}: {entry.manifest.reason}", advice)
        elif trouble:
            yield Finding(Grade.WARN, "engine cache", f"{entry.folder.name}: {trouble}", _line(entry.manifest))
    yield from _stale(host, found)


def _line(manifest: Manifest) -> str:
    """The command that builds it."""
    from engines.store.advice import build_line, called

    return build_line(called(manifest.card, manifest.path), manifest.runtime, manifest.precision)


def _stale(host: Host, found: list[Entry]) -> Iterator[Finding]:
    """Engines that were built with other versions than those of now; asked in a process of its own: it needs CUDA."""
    well, said = host.ask(_VERSIONS)
    now = json.loads(said) if well else {}
    for entry in found:
        if entry.manifest is None or entry.manifest.runtime not in now:
            continue
        built, here = entry.manifest.key.get("versions", {}), now[entry.manifest.runtime]
        changed = [f"{name} {built.get(name)} then, {here.get(name)} now"
                   for name in sorted({*built, *here}) if built.get(name) != here.get(name)]  # fmt: skip
        if changed:
            advice = f"{_line(entry.manifest)}, then saccade engine gc --yes"
            yield Finding(Grade.WARN, "engine cache", f"{entry.folder.name} is stale: {'; '.join(changed)}", advice)
