"""Training of the learned fast policy: an expert that sees the truth, aggregation rounds, a small network."""
