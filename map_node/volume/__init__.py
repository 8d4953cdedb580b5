"""What is around the robot, in three dimensions: a rolling volume of signed distances, and what is read from it.

`base.py` is the interface and its parameters, `cpu.py` the implementation in compiled kernels, `cuda.py` that on a CUDA
device, `open.py` the choice; `esdf.py` the distance to the nearest surface,
`clearance.py` the questions asked of it, `mesh.py` the surface, `store.py` its file.
"""
