"""Engines that were compiled on this machine: built in a process of its own, kept in one folder, used when verified."""
