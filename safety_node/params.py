"""The node's parameters are its limits file; under this name beside the other nodes' parameters."""

from safety_node.limits import Limits as SafetyParams

__all__ = ["SafetyParams"]
