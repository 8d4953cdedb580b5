"""Run the benches and write docs/benchmarks.md with the machine named: `python -m bench [NAME …]`."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

from saccade.cli.machine import cpu
from saccade.cli.page import parts

ROOT = Path(__file__).resolve().parents[1]
BENCHES = (
    "install", "replay", "perception", "perception_stages", "perception_backends", "transport", "overhead", "gate_tick",
    "memory", "tracking",
)  # fmt: skip


def main() -> int:
    """Run the named benches (default: all), keep each one's output, and rewrite the page from what is there."""
    if sys.argv[1:2] == ["peers"]:  # it has arguments of its own, and is not among `all`: it needs what others wrote
        return subprocess.call([sys.executable, "-m", "bench.peers", *sys.argv[2:]], cwd=ROOT)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: all of {', '.join(BENCHES)}; or peers")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "bench")
    parser.add_argument("--note", default="", help="circumstances to state on the page")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    failed = []
    for name in args.names or BENCHES:
        print(f"== bench.{name}", flush=True)
        command = [sys.executable, "-m", f"bench.{name}", "--json", str(args.out / f"{name}.json")]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        print(done.stdout, done.stderr[-2000:], sep="\n", flush=True)
        if done.returncode:
            failed.append(name)
        else:
            stamp = datetime.date.today().isoformat()
            (args.out / f"{name}.txt").write_text(f"{stamp}\n{done.stdout}")
    write_page(args.out, ROOT / "docs" / "benchmarks.md", args.note)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


def write_page(results: Path, page: Path, note: str) -> None:
    """docs/benchmarks.md from the newest output of each bench; what other commands wrote into it stays."""
    lines = [
        "# Benchmarks", "",
        "Written by `make bench` and, between marks, by `saccade bench`; each table is one run on the machine named.",
        "Nothing here was measured on a Jetson, with TensorRT or on a robot.", "",
        f"Machine: {cpu()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}.", "",
        *([note, ""] if note else []),
    ]  # fmt: skip
    for name in BENCHES:
        if (text := results / f"{name}.txt").is_file():
            date, _, body = text.read_text().partition("\n")
            module = ROOT / "bench" / f"{name}.py"
            about = module.read_text().split('"""')[1].strip()
            lines += [f"## {name}", "", about, "", f"Measured {date}:", "", "```", body.strip("\n"), "```", ""]
    for part in parts(page.read_text()) if page.is_file() else ():
        lines += [part, ""]
    page.write_text("\n".join(lines))


def save(numbers: object, path: Path | None) -> None:
    """Write a bench's numbers as JSON, when a file was asked for."""
    if path is not None:
        path.write_text(json.dumps(numbers, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
