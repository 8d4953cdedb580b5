"""Stereo or RGB-D frames in; disparity, metric depth with confidence, and a local map out."""
