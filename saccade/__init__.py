"""Saccade: a real-time perception and vision-language-action runtime for ROS 2."""

__all__ = ["__version__"]


def __getattr__(name: str) -> str:
    # Looked up on demand: reading package metadata would double the import time of every node.
    if name == "__version__":
        from importlib.metadata import version

        return version("saccade")
    raise AttributeError(f"module 'saccade' has no attribute {name!r}")
