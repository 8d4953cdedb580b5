"""Make a map of a recording: it is replayed through perception and the map, which forgets nothing meanwhile.

What the window no longer reaches is lost all the same: give --size where the robot goes farther than half of it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

EXAMPLES = """examples:
  saccade map room.mcap                                    # what would go into the map, and what would not
  saccade map room.mcap --mesh room.ply --picture room.png
  saccade map room.mcap --gaussians room.ply               # for viewers of 3D Gaussian splatting, such as SuperSplat
  saccade map room.mcap --volume room.npz                  # for map_node's parameter `load`
  saccade map stereo.mcap --odometry visual --mesh street.ply --voxel 0.2 --size 80,60,10
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `saccade map`."""
    parser.add_argument("recording", type=Path, metavar="RECORDING", help="rosbag2 (MCAP, SQLite) or ROS 1 bag")
    parser.add_argument("--mesh", type=Path, metavar="FILE", help="write the surface with colours (.ply)")
    parser.add_argument("--gaussians", type=Path, metavar="FILE", help="write the surface as 3D Gaussians (.ply)")
    parser.add_argument("--volume", type=Path, metavar="FILE", help="write the volume (.npz)")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the Gaussians from all around (.png, .gif)")
    parser.add_argument("--robot", help="name in config/robots or a YAML file (default: by its speed)")
    parser.add_argument("--mapping", type=Path, help="YAML that says which topic is which")
    parser.add_argument("--odometry", choices=["robot", "visual"], default="robot",
                        help="as recorded (default), or told from the pictures")  # fmt: skip
    parser.add_argument("--voxel", type=float, metavar="M", help="edge of a voxel (default: the robot's)")
    parser.add_argument("--size", metavar="X,Y,Z", help="metres of the window around the robot (default: the robot's)")


def run(args: argparse.Namespace) -> int:
    """Run `saccade map`; exit code 1 where nothing came into the map."""
    from saccade.cli import FAILED, OK
    from saccade.cli.map.making import MapMaking, outputs, size, write

    wanted = outputs({"mesh": args.mesh, "volume": args.volume, "picture": args.picture,
                      "gaussians": args.gaussians})  # fmt: skip
    making = MapMaking(
        args.recording, args.mapping, args.robot, args.odometry, args.voxel, size(args.size) if args.size else None
    )
    print(making.chosen)
    making.run(shown=sys.stderr.isatty())
    print(making.told())
    if not making.node.used:
        return FAILED
    for line in write(making.node, wanted):
        print(line)
    return OK
