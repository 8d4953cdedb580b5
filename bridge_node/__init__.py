"""The last step to robots that have words of their own: what the gate granted, in theirs; their odometry, in ours."""
