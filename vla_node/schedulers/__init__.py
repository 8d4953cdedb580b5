"""One small file a scheduler: which of several overlapping chunks says what the robot does when."""
