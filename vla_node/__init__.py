"""Fast in slow: an instruction and the local map in, plans and action chunks on absolute time out."""
