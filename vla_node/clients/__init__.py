"""Clients of policy servers, one file a protocol: arrays by name out, arrays by name back, always within a deadline."""
