"""Robots by name: one parameter file each in config/robots, read by the nodes, `saccade up` and the launch files."""

from __future__ import annotations

from pathlib import Path

from saccade.errors import ConfigError, choices
from saccade.params import section
from saccade.paths import share
from saccade.topics import BRIDGED, TOPICS


def robots() -> list[str]:
    """Names of the robots that ship."""
    return sorted(path.stem for path in (share("config") / "robots").glob("*.yaml"))


def robot_file(robot: str) -> Path:
    """The parameter file of a robot by name, or by path when it ends in .yaml; ConfigError lists the known robots."""
    if (path := Path(robot)).suffix == ".yaml":
        return path
    folder = share("config") / "robots"
    if robot not in robots():
        raise ConfigError(f"no robot {robot!r} in {folder}; {choices(robot, robots())}; or give a file ending in .yaml")
    return folder / f"{robot}.yaml"


def remapping(path: Path) -> dict[str, str]:
    """Topic -> the robot's own name for it, from the section `topics`; ConfigError for a topic that is not known."""
    known = {row.wire_name for row in (*TOPICS.values(), *BRIDGED.values())}
    rules = section(path, "topics")
    for name, own in rules.items():
        if name not in known:
            raise ConfigError(f"{path}: section 'topics' names {name!r}; {choices(name, known)}")
        if not isinstance(own, str):
            raise ConfigError(f"{path}: topics: {name} is {own!r}; expected the name of a topic")
    return rules


def nodes(path: Path) -> tuple[str, ...]:
    """The nodes that this robot needs, in the order of the data; some only where the file has a section for them."""
    odometry, map_, bridge = (
        (name,) if section(path, name) else () for name in ("odometry_node", "map_node", "bridge_node")
    )
    return (*odometry, "perception_node", *map_, "vla_node", "safety_node", *bridge)
