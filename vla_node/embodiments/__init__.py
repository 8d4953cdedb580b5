"""One small file a robot: its axes, its limits and an example of what it is sent."""
