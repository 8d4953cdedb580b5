"""The default reasoner: a bounded language, carried out on pictures, depth and the local map; no model."""
