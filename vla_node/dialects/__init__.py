"""Dialects of reasoning models: one small file each, with how it asks and a strict reading of its answers."""
