"""Worlds without walls: things in the air, a table top, a landscape, a seabed."""

from __future__ import annotations

import math

import numpy as np

from saccade.geometry import F64
from training import world as w
from training.build import Builder, rock, terrain, tumbled, turned
from training.parts import daylight, ground, lamplight, spot, tree
from training.world import Shape
