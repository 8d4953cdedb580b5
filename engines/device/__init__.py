"""The only room that knows CUDA: one small `Device`, over cuda-python or over pycuda."""
