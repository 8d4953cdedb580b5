"""Learned reconstruction of keyframes, to fill what is shown where nothing was measured; nothing that moves reads it.

`service.py` runs a model now and then, `model.py` is what runs in the worker, `align.py` gives the result its scale and
judges its poses, `fill.py` puts it beside what was measured.
"""
