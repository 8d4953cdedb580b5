"""Models that see several views at once and say depth, poses or Gaussians: their conventions, in and out.

`convention.py` is what a card says of one, `geometry.py` turns its numbers into OpenCV's and back, `reconstruct.py`
feeds it and reads it. The probe for them is `engines/probe/views.py`.
"""
