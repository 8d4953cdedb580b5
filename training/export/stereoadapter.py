"""StereoAdapter (github.com/AIGeeksGroup/StereoAdapter) to ONNX: left, right -> disparity of the stereo head.

What the clone calls `disp` is the last head's of its option out_mode, which may be a monocular one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from saccade.errors import DataError
from training.export.base import Pair, command, imports_from, job, load, parser, pictures, told, write


def main(argv: Sequence[str] | None = None) -> None:
    """Run the helper; the options are one of the clone's files, given relative to the clone."""
    arguments = parser(__doc__ or "", "462x630", 14)
    arguments.add_argument("--exp-opts", default="options/TiO-Depth/train/gru-dav2_codyra-tartanair.yaml")
    asked = job(arguments.parse_args(argv))
    out, checkpoint = asked.out.resolve(), asked.checkpoint.resolve() if asked.checkpoint else None

    def stereo(model: Any, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        found = model.inference_forward({"color_s": left, "color_o": right, "direct": torch.ones(1)})
        if "stereo_disp_0_s" not in found:
            raise DataError(f"out_mode of {asked.options.exp_opts} is {model.out_mode}; expected one with Stereo in it")
        disparity: torch.Tensor = found["stereo_disp_0_s"]
        return disparity

    back = Path.cwd()
    os.chdir(asked.repo)  # its options name each other relative to the clone
    try:
        with imports_from(Path()):
            from models.get_models import get_model_with_opts  # type: ignore[import-not-found]
            from utils.platform_loader import read_yaml_options  # type: ignore[import-not-found]

            model = get_model_with_opts(read_yaml_options(asked.options.exp_opts), torch.device("cpu"))
            load(model._networks, checkpoint, key="model_params")  # strictly, which the clone is not
            inputs = dict(zip(("left", "right"), pictures(asked.size, white=1.0), strict=True))
            told(asked, write(Pair(model.eval(), stereo), inputs, ["disparity"], out), "stereoadapter")
    finally:
        os.chdir(back)


if __name__ == "__main__":
    command(main)
