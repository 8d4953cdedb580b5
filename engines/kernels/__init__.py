"""What the GPU does before and after a network, in CUDA C: pictures to tensors, and disparity to points."""
