"""What an episode is about."""

from __future__ import annotations

from typing import Any, Protocol


class Errand(Protocol):
    """What is to be done, by which robot, in which world, and when it counts as done.

    A value (a frozen dataclass), so that episodes can be sent to other processes. A verdict is that of `World.judge`;
    of its keys `collisions` and `hit` must be there, and `fallen_s`, `clearance_m` and `radius_m` are used where they
    are.
    """

    @property
    def world(self) -> str:
        """Name of the world."""

    @property
    def robot(self) -> str:
        """Name of the robot's file."""

    def words(self, verdict: dict[str, Any]) -> str:
        """The instruction, by the judge's verdict at the beginning."""

    def limit_s(self, verdict: dict[str, Any]) -> float:
        """When it is over at the latest, by the verdict at the beginning; seconds."""

    def figures(self, verdict: dict[str, Any], said_done: bool) -> dict[str, Any]:
        """`success`, and what else is told of the episode, as values for JSON, by the verdict at the end.

        `said_done`: the robot said that the errand was done. With `spl`, success weighted by path length, where a
        shortest way is known.
        """

    def missed(self, verdict: dict[str, Any]) -> str:
        """In a few words how far from done it was, by the verdict at the end."""
