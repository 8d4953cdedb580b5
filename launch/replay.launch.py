"""The whole runtime on a recording, played by `ros2 bag play --clock`; ends with it."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument

from saccade.launching import arguments, bring_up, play, rviz


def generate_launch_description() -> LaunchDescription:
    """`ros2 launch saccade replay.launch.py bag:=drive.mcap`; `-s` lists the arguments."""
    nodes = ("safety_node", "perception_node", "vla_node")
    return LaunchDescription([
        DeclareLaunchArgument("bag", description="recording: a file or folder that `ros2 bag play` opens"),
        DeclareLaunchArgument("rate", default_value="1.0", description="speed of the playback, 1.0 = as recorded"),
        *arguments(use_sim_time=True), bring_up(*nodes, then=[play()]), rviz(),
    ])  # fmt: skip
