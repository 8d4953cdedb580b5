"""The gate: its own process, pure and small, the last word on every command."""
