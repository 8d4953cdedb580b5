"""Exporting other people's models to ONNX, from the user's own clone and checkpoint; none of their code is here."""
