#!/bin/bash
# Sources ROS 2 and our messages, then runs saccade with what it was given.
set -e
source /opt/ros/humble/setup.bash
source /opt/saccade_ws/setup.bash
exec saccade "$@"
