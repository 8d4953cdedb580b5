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
NODES = ("perception_node", "vla_node", "safety_node")
SHARE = f"share/{text('name')}"

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
        "engines": ["cards/*.yaml", "cards/foreign/*.yaml", "models/*"],
        "sim": ["*.xml"],
        "vla_node.policies": ["cards/*.yaml"],
    },
    install_requires=[pip.get("requires", "") for pip in package.iterfind("export/pip")],
    extras_require={
        "view": ["foxglove-sdk>=0.20"],
        "openvino": ["openvino>=2024.4"],
        "train": ["torch>=2.4", "onnx>=1.16"],
        "gpu": ["onnxruntime-gpu>=1.20", "cuda-python>=12.6"],
    },
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/saccade"]),
        (SHARE, ["package.xml"]),
        (f"{SHARE}/launch", glob("launch/*.launch.py")),
        (f"{SHARE}/config", glob("config/*.*")),
        (f"{SHARE}/config/robots", glob("config/robots/*.yaml")),
        (f"{SHARE}/config/limits", glob("config/limits/*.yaml")),
        *((f"{SHARE}/{kind}", glob(f"ros2_ws/src/saccade_msgs/{kind}/*.{kind}")) for kind in ("msg", "srv", "action")),
    ],
    entry_points={
        "console_scripts": [
            "saccade = saccade.cli:main",
            *(f"{node} = {node}.__main__:main" for node in NODES),
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
