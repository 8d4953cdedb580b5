"""A scene that can be shown: Gaussians on the surface of the volume, refined against keyframes, drawn from any pose.

`base.py` says what they are and how they are drawn, `surface.py` takes them from the volume, `splats.py` keeps them in
step with it and refines them; `cpu.py` and `gpu.py` draw them, `ply.py` is their file, `pictures.py` what people see.
"""
