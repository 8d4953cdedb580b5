"""Policy servers: the stock clients and servers of openpi and GR00T against ours, in one run."""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Column, Table

from bench.__main__ import ROOT, save
from bench.peers import faults
from bench.peers.ends import PICTURES
from bench.peers.install import PACKAGES, found, install
from saccade.cli.machine import cpu

PAIRS = (("theirs", "theirs"), ("ours", "theirs"), ("theirs", "ours"), ("ours", "ours"))
"""Whose client asks whose server."""
ROUNDS = 5
"""The four pairs are measured in turns, so many times: the machine's speed changes by the minute."""


class Peers:
    """Starts ends of either kind in the environment of each."""

    def __init__(self) -> None:
        self.found = found()

    def start(self, role: str, whose: str, protocol: str, port: int) -> subprocess.Popen[str]:
        """A client or a server; a server that is there answers already."""
        python, checkout = self.found[protocol]
        command = [str(python) if whose == "theirs" else sys.executable, str(faults.ENDS)]
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        if whose == "ours":
            environment["PYTHONPATH"] = str(ROOT)
        child = subprocess.Popen(
            [*command, role, whose, protocol, str(port), str(checkout)],
            env=environment, cwd="/", text=True, stdin=subprocess.PIPE,
            stderr=None if role == "client" else subprocess.DEVNULL,
            stdout=subprocess.PIPE if role == "client" else subprocess.DEVNULL,
        )  # fmt: skip
        if role == "server":
            _wait_for(port)
        return child


def round_trips(peers: Peers, protocol: str, calls: int) -> list[dict[str, Any]]:
    """Percentiles of every pair at every size, and CPU of client and server in ms a call."""
    ports = {whose: faults.free_port() for whose in ("ours", "theirs")}
    servers = {whose: peers.start("server", whose, protocol, ports[whose]) for whose in ports}
    clients = {pair: peers.start("client", pair[0], protocol, ports[pair[1]]) for pair in PAIRS}
    got: dict[tuple[str, tuple[str, str]], list[dict[str, Any]]] = {}
    try:
        for size in PICTURES:
            for _ in range(ROUNDS):
                for pair, client in clients.items():
                    before = _cpu_ms(servers[pair[1]].pid)
                    print(f"{size} {calls // ROUNDS}", file=client.stdin, flush=True)
                    assert client.stdout is not None
                    part = json.loads(client.stdout.readline())
                    part["server_ms"] = (_cpu_ms(servers[pair[1]].pid) - before) / (calls // ROUNDS + 20)
                    got.setdefault((size, pair), []).append(part)
    finally:
        for child in (*clients.values(), *servers.values()):
            child.kill()
            child.wait()
    rows = []
    for (size, (client_of, server_of)), parts in got.items():
        p50, p99 = np.percentile([ms for part in parts for ms in part["ms"]], [50, 99])
        cpu = [float(np.mean([part[key] for part in parts])) for key in ("cpu_ms", "server_ms")]
        rows.append(
            {"protocol": protocol, "size": size, "client": client_of, "server": server_of, "p50_ms": float(p50),
             "p99_ms": float(p99), "client_cpu_ms": cpu[0], "server_cpu_ms": cpu[1]}
        )  # fmt: skip
    return rows


_ASKED = f"at most {faults.MOST_OVER_MS:.0f} ms past the deadline, work again within {faults.MOST_RESUME_S:.0f} s"


def show(trips: list[dict[str, Any]], rows: list[faults.Row]) -> None:
    """Both tables, and what they come to."""
    console = Console(width=124)
    print(f"{cpu()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; peers: {', '.join(map(_version, found()))}")
    table = Table("protocol", "size", "client", "server", title="Round trips, a policy without cost")
    for column in ("p50 ms", "p99 ms", "client CPU ms", "server CPU ms"):
        table.add_column(column, justify="right")
    for row in trips:
        numbers = (f"{row[key]:.2f}" for key in ("p50_ms", "p99_ms", "client_cpu_ms", "server_cpu_ms"))
        table.add_row(*(row[key] for key in ("protocol", "size", "client", "server")), *numbers)
    console.print(table)
    for size in PICTURES:
        best = {
            whose: min((r for r in trips if r["size"] == size and r["client"] == r["server"] == whose), key=_p50)
            for whose in ("ours", "theirs")
        }
        said = [f"{whose} {row['p50_ms']:.2f} ms ({row['protocol']})" for whose, row in best.items()]
        print(f"fastest at {size}, p50: {', '.join(said)}")
    table = Table(
        "protocol", Column("fault", no_wrap=True), title=f"Faults, calls with {faults.TIMEOUT_MS} ms to answer"
    )
    for column in ("past deadline ms", "resumed s", "answered"):
        table.add_column(column, justify="right")
    table.add_column("said", no_wrap=True)
    for fault in rows:
        late = f"{fault.over_ms:+.1f}"
        count = f"{fault.answered}/{faults.CALLS}"
        table.add_row(fault.protocol, fault.fault, late, f"{fault.resumed_s:.2f}", count, fault.said[:56])
    console.print(table)
    bad = [f"{row.protocol} {row.fault}" for row in rows if not row.good]
    verdict = f"not kept: {', '.join(bad)}" if bad else "kept by all"
    print(f"{_ASKED}: {verdict}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench peers", description=__doc__)
    parser.add_argument("--install", action="store_true", help="make their environments in the cache folder")
    parser.add_argument("--openpi", type=Path, metavar="DIR", help="a checkout of openpi")
    parser.add_argument("--gr00t", type=Path, metavar="DIR", help="a checkout of Isaac-GR00T, N1.6 or later")
    parser.add_argument("--calls", type=int, default=500, help="of each client, server and size")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if args.install:
        given = {"openpi": args.openpi, "gr00t": args.gr00t}
        install({name: path for name, path in given.items() if path})
    peers = Peers()
    if not peers.found:
        print("no peers: python -m bench peers --install --openpi DIR --gr00t DIR", file=sys.stderr)
        return 1
    trips = [row for name in peers.found for row in round_trips(peers, name, args.calls)]
    rows = []
    for name in peers.found:
        rows += faults.matrix(name, partial(peers.start, "server", "theirs", name))
    show(trips, rows)
    save({"round_trips": trips, "faults": [row._asdict() for row in rows]}, args.json)
    return int(not all(row.good for row in rows))


def _version(peer: str) -> str:
    return f"{peer} ({', '.join(PACKAGES[peer])})"


def _wait_for(port: int) -> None:
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise SystemExit(f"nobody came to port {port}")


def _cpu_ms(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def _p50(row: dict[str, Any]) -> float:
    return float(row["p50_ms"])


if __name__ == "__main__":
    sys.exit(main())
