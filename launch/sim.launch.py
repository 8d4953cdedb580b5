"""The whole runtime in the embedded world, in real time."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from saccade.launching import arguments, bring_up, rviz


def generate_launch_description() -> LaunchDescription:
    """`ros2 launch saccade sim.launch.py world:='hall?seed=3'`; `-s` lists the arguments."""
    world = Node(
        package="saccade", executable="world_node", namespace=LaunchConfiguration("namespace"),
        parameters=[{"world": LaunchConfiguration("world")}], output="screen",
    )  # fmt: skip
    return LaunchDescription([
        DeclareLaunchArgument("world", default_value="hall", description="world and its options, as of `saccade sim`"),
        *arguments(), world, bring_up("safety_node", "perception_node", "vla_node"), rviz(),
    ])  # fmt: skip
