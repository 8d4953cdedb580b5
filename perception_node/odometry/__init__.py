"""Visual odometry: where a camera is, from a stereo pair or colour and depth alone, or that it does not know.

`VisualOdometry` in `visual.py` is fed with views (`view.py`) and answers with estimates (`estimate.py`).
"""
