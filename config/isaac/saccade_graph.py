"""Give a wheeled robot in Isaac Sim (4.5 or newer) a stereo pair, and an action graph with Saccade's topics.

For Isaac Sim's own Python, in Window > Script Editor, with the robot's stage open and the extension
isaacsim.ros2.bridge enabled; then press Play. Set the constants below to the robot's first. Topics, types, frames are
those of saccade/topics.py, which a test holds this file to; NOT RUN in Isaac Sim where it was written.

Stamps are simulated time: the nodes need use_sim_time, as isaac.launch.py sets it. The graph is ticked by rendering, at
60 Hz unless the stage says otherwise: so is /clock.
"""

import omni.graph.core as og
import omni.usd
from pxr import Gf, UsdGeom

ROBOT = "/World/robot"
CHASSIS = f"{ROBOT}/base_link"
WHEELS = ["left_wheel_joint", "right_wheel_joint"]
WHEEL_RADIUS_M, WHEEL_DISTANCE_M = 0.08, 0.40
MAX_SPEED_M_S, MAX_TURN_RAD_S = 0.8, 1.5
HEAD_M = (0.15, 0.0, 0.35)
"""Middle of the pair in the chassis' frame; isaac.launch.py must say the same."""
BASELINE_M = 0.12
WIDTH, HEIGHT, FOCAL_PX = 640, 400, 420.0
GRAPH = "/World/Saccade"

CAMERA_WXYZ = (0.5, 0.5, -0.5, -0.5)
"""Turns a USD camera, which looks along -z with y up, to look along the chassis' x with z up."""
APERTURE_MM = 20.955
BRIDGE, CORE, WHEELED = "isaacsim.ros2.bridge", "isaacsim.core.nodes", "isaacsim.robot.wheeled_robots"
SIDES = {"left": 1.0, "right": -1.0}


def add_cameras():
    """Two cameras under the chassis, in parallel, the left one BASELINE_M to the left of the right one."""
    stage = omni.usd.get_context().get_stage()
    for side, sign in SIDES.items():
        camera = UsdGeom.Camera.Define(stage, f"{CHASSIS}/{side}_camera")
        camera.CreateHorizontalApertureAttr(APERTURE_MM)
        camera.CreateVerticalApertureAttr(APERTURE_MM * HEIGHT / WIDTH)
        camera.CreateFocalLengthAttr(APERTURE_MM * FOCAL_PX / WIDTH)
        camera.CreateClippingRangeAttr(Gf.Vec2f(0.05, 100.0))
        place = UsdGeom.Xformable(camera)
        place.ClearXformOpOrder()
        place.AddTranslateOp().Set(Gf.Vec3d(HEAD_M[0], HEAD_M[1] + sign * BASELINE_M / 2, HEAD_M[2]))
        place.AddOrientOp().Set(Gf.Quatf(*CAMERA_WXYZ))


def add_graph():
    """The action graph: clock, both cameras, odometry out; cmd_vel in."""
    nodes, values, wires = [("tick", "omni.graph.action.OnPlaybackTick")], [], []
    for part in (_clock, _cameras, _odometry, _drive):
        more_nodes, more_values, more_wires = part()
        nodes += more_nodes
        values += more_values
        wires += more_wires
    keys, graph = og.Controller.Keys, {"graph_path": GRAPH, "evaluator_name": "execution"}
    og.Controller.edit(graph, {keys.CREATE_NODES: nodes, keys.SET_VALUES: values, keys.CONNECT: wires})


def _clock():
    nodes = [("time", f"{CORE}.IsaacReadSimulationTime"), ("clock", f"{BRIDGE}.ROS2PublishClock")]
    wires = [
        ("tick.outputs:tick", "clock.inputs:execIn"),
        ("time.outputs:simulationTime", "clock.inputs:timeStamp"),
    ]
    return nodes, [("clock.inputs:topicName", "/clock")], wires


def _cameras():
    """One info helper for both: given the right render product too, it writes P[3] = -fx B of the right camera."""
    nodes, values, wires = [("info", f"{BRIDGE}.ROS2CameraInfoHelper")], [], []
    for side, end in (("left", ""), ("right", "Right")):
        product, image = f"{side}_product", f"{side}_image"
        nodes += [(product, f"{CORE}.IsaacCreateRenderProduct"), (image, f"{BRIDGE}.ROS2CameraHelper")]
        values += [
            (f"{product}.inputs:cameraPrim", f"{CHASSIS}/{side}_camera"),
            (f"{product}.inputs:width", WIDTH),
            (f"{product}.inputs:height", HEIGHT),
            (f"{image}.inputs:type", "rgb"),
            (f"{image}.inputs:topicName", f"{side}/image_rect"),
            (f"{image}.inputs:frameId", f"{side}_optical"),
            (f"info.inputs:topicName{end}", f"{side}/camera_info"),
            (f"info.inputs:frameId{end}", f"{side}_optical"),
        ]
        wires += [
            ("tick.outputs:tick", f"{product}.inputs:execIn"),
            (f"{product}.outputs:execOut", f"{image}.inputs:execIn"),
            (f"{product}.outputs:execOut", "info.inputs:execIn"),
            (f"{product}.outputs:renderProductPath", f"{image}.inputs:renderProductPath"),
            (f"{product}.outputs:renderProductPath", f"info.inputs:renderProductPath{end}"),
        ]
    return nodes, values, wires


def _odometry():
    nodes = [("pose", f"{CORE}.IsaacComputeOdometry"), ("odom", f"{BRIDGE}.ROS2PublishOdometry")]
    values = [
        ("pose.inputs:chassisPrim", CHASSIS),
        ("odom.inputs:topicName", "odom"),
        ("odom.inputs:odomFrameId", "odom"),
        ("odom.inputs:chassisFrameId", "base_link"),
    ]
    measured = ("position", "orientation", "linearVelocity", "angularVelocity")
    wires = [
        ("tick.outputs:tick", "pose.inputs:execIn"),
        ("pose.outputs:execOut", "odom.inputs:execIn"),
        ("time.outputs:simulationTime", "odom.inputs:timeStamp"),
        *((f"pose.outputs:{name}", f"odom.inputs:{name}") for name in measured),
    ]
    return nodes, values, wires


def _drive():
    nodes = [
        ("cmd_vel", f"{BRIDGE}.ROS2SubscribeTwist"),
        ("linear", "omni.graph.nodes.BreakVector3"),
        ("angular", "omni.graph.nodes.BreakVector3"),
        ("wheels", f"{WHEELED}.DifferentialController"),
        ("joints", f"{CORE}.IsaacArticulationController"),
    ]
    values = [
        ("cmd_vel.inputs:topicName", "cmd_vel"),
        ("wheels.inputs:wheelRadius", WHEEL_RADIUS_M),
        ("wheels.inputs:wheelDistance", WHEEL_DISTANCE_M),
        ("wheels.inputs:maxLinearSpeed", MAX_SPEED_M_S),
        ("wheels.inputs:maxAngularSpeed", MAX_TURN_RAD_S),
        ("joints.inputs:robotPath", ROBOT),
        ("joints.inputs:jointNames", WHEELS),
    ]
    wires = [
        ("tick.outputs:tick", "cmd_vel.inputs:execIn"),
        ("cmd_vel.outputs:execOut", "wheels.inputs:execIn"),
        ("cmd_vel.outputs:linearVelocity", "linear.inputs:tuple"),
        ("cmd_vel.outputs:angularVelocity", "angular.inputs:tuple"),
        ("linear.outputs:x", "wheels.inputs:linearVelocity"),
        ("angular.outputs:z", "wheels.inputs:angularVelocity"),
        ("tick.outputs:tick", "joints.inputs:execIn"),
        ("wheels.outputs:velocityCommand", "joints.inputs:velocityCommand"),
    ]
    return nodes, values, wires


if __name__ == "__main__":
    add_cameras()
    add_graph()
