"""A network that moves an arm's tool to a point: what it imitates, where it goes wrong, and what ships of it."""
