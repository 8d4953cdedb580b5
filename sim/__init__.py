"""Worlds as buses: physics and cameras behind the same four verbs as a robot."""
