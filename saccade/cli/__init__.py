"""The command line: `saccade VERB …`, one file or folder a verb."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from saccade.errors import SaccadeError

VERBS = {
    "demo": "a robot fetches its way through the embedded world; recorded, replayed, reported",
    "replay": "run the nodes over recordings on virtual time",
    "map": "make a map of a recording: mesh, volume, picture",
    "up": "start the nodes live, supervised",
    "sim": "run the embedded world live",
    "record": "record a live bus",
    "collect": "collect verified data in the embedded worlds, as a LeRobot dataset",
    "adapt": "adapt a stereo network to a recording; installed only if it is better there",
    "bench": "measure stereo matching and the map on real data, and errands in the embedded worlds",
    "engine": "list, add and probe models",
    "serve": "offer a reasoner or a policy to robots elsewhere, and make keys for them",
    "view": "show a recording or a live bus in Foxglove",
    "doctor": "what works on this machine and what does not",
}
OK, FAILED, USAGE, PARTIAL, INTERRUPTED = 0, 1, 2, 3, 130
_EPILOG = """exit codes: 0 done; 1 failed; 2 wrong usage, parameters or input; 3 some of several recordings failed;
130 interrupted. `saccade VERB --help` shows each verb's examples."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code; a SaccadeError is printed as it reads, without a traceback."""
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="saccade", epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
        description="A real-time perception and vision-language-action runtime for ROS 2.",
    )  # fmt: skip
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    asked = argv[0] if argv and argv[0] in VERBS else None
    try:
        for verb, help_ in VERBS.items():
            sub = verbs.add_parser(verb, help=help_, formatter_class=argparse.RawDescriptionHelpFormatter)
            if verb == asked:  # only the verb that runs is imported: `saccade --help` stays fast
                module = importlib.import_module(f"saccade.cli.{verb}")
                sub.description, sub.epilog = module.__doc__, module.EXAMPLES
                module.add_arguments(sub)
        args = parser.parse_args(argv)
        return int(importlib.import_module(f"saccade.cli.{args.verb}").run(args))
    except SaccadeError as error:
        print(f"saccade {asked}: {error}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print(f"saccade {asked}: interrupted", file=sys.stderr)
        return INTERRUPTED
