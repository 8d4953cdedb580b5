"""Servers that let stock clients of other projects ask a policy of ours."""
