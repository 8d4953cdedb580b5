"""Servers that other robots' runtimes ask: the counterparts of the clients."""
