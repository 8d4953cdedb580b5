"""Training: the generated worlds that the project's own stereo network learns from. Nothing at run time needs it."""
