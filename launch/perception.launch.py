"""Depth, its confidence and a local map, without anything that moves the robot."""

from launch import LaunchDescription

from saccade.launching import arguments, bring_up, rviz


def generate_launch_description() -> LaunchDescription:
    """`ros2 launch saccade perception.launch.py robot:=go2`; `-s` lists the arguments."""
    return LaunchDescription([*arguments(), bring_up("perception_node"), rviz()])
