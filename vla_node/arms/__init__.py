"""Arms: where to reach from what is seen, joints for that by differential inverse kinematics, and their timing."""
