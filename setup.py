"""Build script for pip and colcon; name, version, licence and dependencies come from package.xml."""

import xml.etree.ElementTree as ET
from glob import glob

from setuptools import find_packages, setup

package = ET.parse("package.xml").getroot()


def text(tag: str) -> str:
    """Text of one required element of package.xml."""
    found = package.findtext(tag)
    if not found:
        raise SystemExit(f"package.xml has no <{tag}>")
    return found


maintainer = package.find("maintainer")
NODES = ("perception_node", "map_node", "vla_node", "safety_node", "bridge_node")
SHARE = f"share/{text('name')}"
REQUIRED = [pip.get("requires", "") for pip in package.iterfind("export/pip")]

# What makes fp16 and int8 of a graph (engines/precision), for every runtime that compiles.
ONNX = "onnx>=1.16"

# Versions that fit together by the table in saccade/cli/doctor/fits.py; a test holds these to it. TensorRT stays at 10:
# there is no onnxruntime-gpu yet that links another libnvinfer. The extras [cuda,cudnn] bring CUDA's libraries along,
# so that only the driver has to be installed.
CUDA_12 = [
    "onnxruntime-gpu[cuda,cudnn]>=1.22,<1.27", "tensorrt-cu12>=10.9,<11", "cuda-python>=12.8,<13",
    "numba-cuda[cu12]>=0.30,<1", ONNX,
]  # fmt: skip
CUDA_13 = [
    "onnxruntime-gpu[cuda,cudnn]>=1.28,<1.32", "tensorrt-cu13>=10.13.2,<11", "cuda-python>=13,<14",
    "numba-cuda[cu13]>=0.30,<1", ONNX,
]  # fmt: skip
# Python 3.10 has no onnxruntime-gpu for CUDA 13.
GPU = [f"{need}; python_version >= '3.11'" for need in CUDA_13] + [
    f"{need}; python_version < '3.11'" for need in CUDA_12
]

EXTRAS = {
    # One of cpu, gpu, gpu-cu12, jetson. ONNX Runtime is not in the base (the demo needs none of it): its builds share
    # one folder, so a base with one and an extra with the other would break both.
    "cpu": ["onnxruntime>=1.20"],
    "gpu": GPU,
    "gpu-cu12": CUDA_12,
    # TensorRT and CUDA are JetPack's own, seen through a venv with --system-site-packages; a wheel would shadow them.
    # JetPack 6 has CUDA 12 and Python 3.10, JetPack 7 CUDA 13 and Python 3.12.
    "jetson": [
        "onnxruntime>=1.20",
        "cuda-python>=12.8,<13; python_version < '3.12'",
        "cuda-python>=13,<14; python_version >= '3.12'",
        "numba-cuda>=0.30,<1",
        ONNX,
    ],
    "fleet": ["ray>=2.52,<3"],  # earlier ones have no tokens: who reaches a port runs code
    "arm": ["mink>=1.3,<2"],
    "openvino": ["openvino>=2025.0", ONNX],
    "lerobot": ["grpcio>=1.62"],
    "data": ["pyarrow>=17", "av>=14"],  # saccade collect: Parquet and video
    # In the base already, for the demo: the name is for those who ask for the world by it.
    "sim": [need for need in REQUIRED if need.startswith("mujoco")],
    "train": ["torch>=2.9", ONNX],
    "viz": ["foxglove-sdk>=0.20"],
    "gsplat": ["gsplat>=1.4,<2", "torch>=2.4"],
}

setup(
    name=text("name"),
    version=text("version"),
    description=text("description"),
    license=text("license"),
    maintainer=maintainer.text if maintainer is not None else "",
    maintainer_email=maintainer.get("email", "") if maintainer is not None else "",
    python_requires=">=3.10",
    packages=find_packages(include=["saccade*", "engines*", *(f"{n}*" for n in NODES), "sim*", "training*"]),
    package_data={
        "saccade": ["py.typed"],
        "saccade.report": ["*.html"],
        "engines": ["cards/*.yaml", "cards/foreign/*.yaml", "kernels/*.cu", "kernels/*.cuh", "models/*"],
        "sim": ["*.xml"],
        "vla_node.arms": ["cards/*"],
        "vla_node.policies": ["cards/*.yaml"],
        "vla_node.policies.learned": ["*.yaml", "*.onnx"],
    },
    install_requires=REQUIRED,
    extras_require=EXTRAS,
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/saccade"]),
        (SHARE, ["package.xml"]),
        (f"{SHARE}/launch", glob("launch/*.launch.py")),
        (f"{SHARE}/config", glob("config/*.*")),
        (f"{SHARE}/config/arms", glob("config/arms/*.xml")),
        (f"{SHARE}/config/robots", glob("config/robots/*.yaml")),
        *((f"{SHARE}/{folder}", glob(f"{folder}/*.msg")) for folder in glob("config/interfaces/*/msg")),
        (f"{SHARE}/config/gazebo", glob("config/gazebo/*.*")),
        (f"{SHARE}/config/isaac", glob("config/isaac/*.py")),
        (f"{SHARE}/config/limits", glob("config/limits/*.yaml")),
        *((f"{SHARE}/{kind}", glob(f"ros2_ws/src/saccade_msgs/{kind}/*.{kind}")) for kind in ("msg", "srv", "action")),
    ],
    entry_points={
        "console_scripts": [
            "saccade = saccade.cli:main",
            *(f"{node} = {node}.__main__:main" for node in NODES),
            "odometry_node = perception_node.odometry.__main__:main",
            "world_node = sim.__main__:main",
        ],
        # Bus schemes for saccade.wire.open_bus; a world of your own is one more line in your package's setup.py.
        "saccade.bus": [
            "bag = saccade.wire.bag:open_bag",
            "dds = saccade.wire.dds:open_dds",
            "ros = saccade.wire.ros:open_ros",
            "sim = sim.bus:open_sim",
        ],
    },
    zip_safe=False,
)
