"""The second world: a covered yard with walls, doors and people, and a model of a dog in it."""
