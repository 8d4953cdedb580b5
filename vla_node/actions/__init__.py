"""What a policy's rows mean to this robot: one file a kind of action, all ending in speeds by the command's axes."""
