"""Servers that let robots, and stock clients of other projects, ask a policy or a reasoner of ours."""
