"""The whole runtime in Gazebo Harmonic: its world, the bridge of its topics, and the nodes on its time."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from saccade.launching import arguments, bring_up, optical_frames, rviz
from saccade.paths import share


def generate_launch_description() -> LaunchDescription:
    """`ros2 launch saccade gazebo.launch.py`; `-s` lists the arguments."""
    folder = share("config") / "gazebo"
    bridge = Node(
        package="ros_gz_bridge", executable="parameter_bridge", name="gazebo_bridge", output="screen",
        namespace=LaunchConfiguration("namespace"), parameters=[{"config_file": LaunchConfiguration("topics")}],
    )  # fmt: skip
    nodes = ("safety_node", "perception_node", "vla_node")
    return LaunchDescription([
        DeclareLaunchArgument("world", default_value=str(folder / "hall.sdf"), description="world file of Gazebo"),
        DeclareLaunchArgument(
            "topics", default_value=str(folder / "ros_gz_bridge.yaml"), description="what ros_gz_bridge carries"
        ),
        *arguments(use_sim_time=True, default_robot="gazebo"),
        ExecuteProcess(cmd=["gz", "sim", "-r", LaunchConfiguration("world")], output="screen"),
        bridge, *optical_frames(x_m=0.15, z_m=0.35, baseline_m=0.12), bring_up(*nodes), rviz(),
    ])  # fmt: skip
