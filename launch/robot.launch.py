"""The whole runtime on a robot: its bridge, if it has one, the gate, then perception, then planning."""

from launch import LaunchDescription

from saccade.launching import arguments, bring_up, rviz


def generate_launch_description() -> LaunchDescription:
    """`ros2 launch saccade robot.launch.py robot:=go2`; `-s` lists the arguments."""
    nodes = ("bridge_node", "safety_node", "perception_node", "vla_node")
    return LaunchDescription([*arguments(), bring_up(*nodes), rviz()])
