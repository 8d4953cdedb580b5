"""Libraries of the extra `data`, loaded when they are needed."""

from __future__ import annotations

import importlib
from typing import Any

from saccade.errors import ConfigError


def needed(module: str) -> Any:
    """A module of the extra; ConfigError says how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"datasets are written with {module.partition('.')[0]}, which cannot be imported ({error}): "
            "pip install 'saccade[data]'"
        ) from error
