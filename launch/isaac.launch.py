"""The whole runtime beside Isaac Sim, which runs by itself with the graph of config/isaac/saccade_graph.py."""

from launch import LaunchDescription

from saccade.launching import arguments, bring_up, optical_frames, rviz


def generate_launch_description() -> LaunchDescription:
    """`ros2 launch saccade isaac.launch.py`; `-s` lists the arguments."""
    return LaunchDescription([
        *arguments(use_sim_time=True, default_robot="isaac"),
        *optical_frames(x_m=0.15, z_m=0.35, baseline_m=0.12),
        bring_up("safety_node", "perception_node", "vla_node"), rviz(),
    ])  # fmt: skip
