"""Mutates the gate's sources one operator at a time."""
from types import SimpleNamespace
import importlib
def load(changed=None):
    return SimpleNamespace(**{n: importlib.import_module(f"safety_node.{n}") for n in ("limits","motion","gate","node")})
