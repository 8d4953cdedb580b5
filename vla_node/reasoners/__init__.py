"""What may be asked for a plan: the embedded reasoner, and clients of those that run elsewhere."""
