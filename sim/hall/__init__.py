"""The first world: a furnished hall."""
