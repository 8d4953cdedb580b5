"""The learned policy of a travelling base: what it is shown, its card, and how it answers."""
