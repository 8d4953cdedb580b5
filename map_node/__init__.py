"""Depth and poses in; a map of the surroundings in three dimensions, and pictures of it, out."""
