"""Bytes and clocks: buses, the CDR codec, and conversion between messages and Saccade's own types."""
