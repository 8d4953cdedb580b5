"""Our own protocol between a robot and a server, on real sockets: keys, deadlines, late replies, restarts."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace

import numpy as np
import pytest
import zmq
from reasoner_scene import Slow, TwoNumbers, observe, withdrawn_while_asked

from saccade.errors import ConfigError
from saccade.types import PlanKind
from vla_node.dialects.base import Question
from vla_node.planner import Answer, Observation, make_plan
from vla_node.reasoners.call import ReasonerError
from vla_node.reasoners.keys import make_robot, make_server
from vla_node.reasoners.params import ReasonerParams
from vla_node.reasoners.protocol import MOST_BYTES, VERSION, Reply, Request, WirePlan, pack, unpack
from vla_node.reasoners.remote import RemoteReasoner
from vla_node.serving.reasoner import ReasonerServer


def go(observation):
    return make_plan(observation, PlanKind.WAYPOINTS, "going", waypoints=np.array([[1.0, 2.0, 0.0]]))


@contextmanager
def serving(think=go, bind="tcp://127.0.0.1:0", **options):
    server = ReasonerServer(think, bind, **options)
    over = threading.Event()
    thread = threading.Thread(target=server.serve, args=(over.is_set,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        over.set()
        thread.join()
        server.close()


def reasoner(address, dialect=None, **params):
    name = dialect.name if dialect else ""
    values = {"deadline_s": 20.0, **params}
    return RemoteReasoner(ReasonerParams(kind="zmq", address=address, dialect=name, **values), dialect)


def assert_went(answer):
    assert answer.plan.kind is PlanKind.WAYPOINTS, answer.plan.text
    assert answer.plan.waypoints.tolist() == [[1.0, 2.0, 0.0]]
    assert (answer.plan.obs_stamp_ns, answer.plan.epoch, answer.plan.frame_id) == (7_000, 5, "odom")


def assert_stopped(answer, *words):
    assert answer.plan.kind is PlanKind.STOP
    for word in words:
        assert word in answer.plan.text


def test_a_plan_comes_back_tied_to_what_the_robot_saw():
    seen = []
    with serving(lambda o: seen.append(o) or go(o)) as server, closing(reasoner(server.address, depth=True)) as mind:
        mine = observe()
        assert_went(mind.plan(mine))
    theirs = seen[0]
    assert isinstance(theirs, Observation)
    for name in ("stamp_ns", "epoch", "instruction", "held_ns", "event", "feedback", "camera", "blind", "valid_for_ns"):
        assert getattr(theirs, name) == getattr(mine, name)
    assert theirs.grid is None
    assert np.abs(theirs.image.data.astype(int) - mine.image.data).mean() < 20
    assert np.array_equal(theirs.state.twist, mine.state.twist)
    assert np.allclose(theirs.depth_m, mine.depth_m, atol=6e-4, equal_nan=True)
    assert np.isnan(theirs.depth_m[0, 0])
    for mine_T, theirs_T in (
        (mine.state.T_odom_from_body, theirs.state.T_odom_from_body), (mine.start, theirs.start),
        (mine.T_odom_from_cam, theirs.T_odom_from_cam),
        (mine.history[0].T_odom_from_body, theirs.history[0].T_odom_from_body),
    ):  # fmt: skip
        assert np.allclose(mine_T.R, theirs_T.R)
        assert np.allclose(mine_T.t, theirs_T.t)
    assert theirs.history[0].image.data.shape == (12, 16, 3)


def test_what_is_missing_stays_missing_and_grey_stays_grey():
    seen = []
    grey = replace(observe().image, data=observe().image.data[:, :, 0])
    with serving(lambda o: seen.append(o) or go(o)) as server, closing(reasoner(server.address)) as mind:
        mind.plan(observe(image=None, depth_m=None, camera=None, T_odom_from_cam=None, history=(), blind="dark"))
        mind.plan(observe(image=grey))
    assert (seen[0].image, seen[0].depth_m, seen[0].camera, seen[0].T_odom_from_cam) == (None,) * 4
    assert (seen[0].history, seen[0].blind) == ((), "dark")
    assert seen[1].image.data.shape == (12, 16)
    assert seen[1].depth_m is None  # it was not asked to be sent


def test_words_that_were_thought_are_kept_for_the_record():
    with serving(lambda o: Answer(go(o), "asked", "said")) as server, closing(reasoner(server.address)) as mind:
        answer = mind.plan(observe())
    assert (answer.asked, answer.answered) == ("asked", "said")


def test_with_a_dialect_the_robot_asks_and_reads_and_the_server_only_answers():
    seen, words = [], iter(["again", "<go>1.0 2.0</go>", "drive on"])

    def think(question):
        seen.append(question)
        return next(words)

    with (
        serving(think, dialect="two_numbers") as server,
        closing(reasoner(server.address, TwoNumbers())) as mind,
    ):
        answer = mind.plan(observe())
        assert_went(answer)
        assert answer.answered == "<go>1.0 2.0</go>"
        refused = mind.plan(observe())
    assert isinstance(seen[0], Question)
    assert seen[0].parts[0] == "Where to?"
    assert seen[0].parts[1].shape == (12, 16, 3)
    assert (seen[0].system, seen[0].max_tokens) == ("Be brief.", 64)
    assert seen[1].before[0][1] == "again"
    assert_stopped(refused, "not two numbers", "drive on")
    assert refused.answered == "drive on"


def test_what_follows_the_end_of_an_answer_is_not_read():
    with (
        serving(lambda _: "<go>1.0 2.0</go> or not", dialect="two_numbers") as server,
        closing(reasoner(server.address, TwoNumbers(ends=("</go>",)))) as mind,
        closing(reasoner(server.address, TwoNumbers())) as strict,
    ):
        assert_went(mind.plan(observe()))
        assert_stopped(strict.plan(observe()), "not two numbers")


def test_a_robot_and_a_server_of_different_dialects_do_not_understand_each_other():
    with serving(go) as server, closing(reasoner(server.address, TwoNumbers())) as mind:
        assert_stopped(mind.plan(observe()), "asked in 'two_numbers'", "planner.reasoner.dialect")
    with serving(go, dialect="nav_r1") as server, closing(reasoner(server.address)) as mind:
        assert_stopped(mind.plan(observe()), "answers in 'nav_r1'")


@pytest.mark.parametrize(
    ("think", "why"),
    [
        (lambda o: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda o: {}["weights"], "KeyError: 'weights'"),
        (lambda o: None, "expected a Plan or an Answer"),
        (lambda o: "drive on", "expected a Plan or an Answer"),
        (lambda o: replace(go(o), obs_stamp_ns=1), "another observation"),
        (lambda o: replace(go(o), epoch=1), "another observation"),
        (lambda o: replace(go(o), waypoints=np.full((1, 3), np.nan)), "not finite"),
        (lambda o: replace(go(o), waypoints=np.zeros((0, 3))), "0 waypoints"),
        (lambda o: replace(go(o), waypoints=np.zeros((2000, 3))), "2000 waypoints"),
        (lambda o: make_plan(o, PlanKind.VELOCITY, "v", values=np.zeros(2)), "2 values"),
        (lambda o: make_plan(o, PlanKind.VELOCITY, "v", values=np.array([0.1, 0.0, np.nan])), "not finite"),
        (lambda o: replace(go(o), confidence=2.0), "confidence 2.0"),
        (lambda o: replace(go(o), progress=float("nan")), "progress nan"),
        (lambda o: replace(go(o), valid_for_ns=0), "valid for 0 ns"),
    ],
)
def test_a_callable_that_fails_or_answers_nonsense_stops_the_robot_with_the_text(think, why):
    with serving(think) as server, closing(reasoner(server.address)) as mind:
        assert_stopped(mind.plan(observe()), why)
        assert_stopped(mind.plan(observe()), why)


def test_a_plan_is_never_valid_for_longer_than_the_robot_allows():
    with serving(lambda o: replace(go(o), valid_for_ns=9 * 10**9)) as server, closing(reasoner(server.address)) as mind:
        assert mind.plan(observe(valid_for_ns=2 * 10**9)).plan.valid_for_ns == 2 * 10**9


@pytest.fixture
def keys(tmp_path):
    make_server(tmp_path / "a")
    return tmp_path / "a"


def test_the_right_keys_work_and_no_others(keys, tmp_path):
    make_server(other := tmp_path / "b")
    friend, stranger = make_robot(keys, "friend"), make_robot(other, "stranger")
    half = make_robot(keys, "half")
    (keys / "clients" / "half.key").unlink()
    called = []
    with serving(lambda o: called.append(1) or go(o), keys=keys) as server:
        with closing(reasoner(server.address, keys=str(friend))) as mind:
            assert_went(mind.plan(observe()))
        with closing(reasoner(server.address, keys=str(half))) as mind:
            assert_stopped(answer := mind.plan(observe()), "does not know our key")
            assert "within" not in answer.plan.text  # it does not wait for what cannot come
        with closing(reasoner(server.address, keys=str(stranger), deadline_s=0.3)) as mind:
            assert_stopped(mind.plan(observe()), "not the server whose key we have")
        with closing(reasoner(server.address, deadline_s=0.3)) as mind:
            assert_stopped(mind.plan(observe()), "only one of the two sides uses keys")
        make_robot(keys, "later")
        with closing(reasoner(server.address, keys=str(keys / "robots" / "later"))) as mind:
            assert_went(mind.plan(observe()))
    assert len(called) == 2
    with serving() as server, closing(reasoner(server.address, keys=str(friend), deadline_s=0.4)) as mind:
        assert_stopped(mind.plan(observe()), "only one of the two sides uses keys")


def test_without_keys_nobody_beyond_this_machine_is_served_or_asked(keys):
    for bind in ("tcp://*:0", "tcp://0.0.0.0:0", "tcp://[::]:0"):
        with pytest.raises(ConfigError, match="takes keys"):
            ReasonerServer(go, bind)
    with pytest.raises(ValueError, match="keys"):
        reasoner("tcp://10.0.0.1:5570")
    with serving(bind="tcp://0.0.0.0:0", keys=keys) as server:
        assert server.address


def test_a_server_that_thinks_too_long_is_left_at_the_deadline_and_its_late_reply_is_dropped():
    go_on, begun = threading.Event(), []

    def think(observation):
        begun.append(observation)
        if len(begun) == 1:
            go_on.wait(20)
            return replace(go(observation), waypoints=np.full((1, 3), 9.0))
        return go(observation)

    with serving(think) as server, closing(reasoner(server.address, deadline_s=0.3)) as mind:
        assert_stopped(mind.plan(observe()), "within 0.3 s")
        assert_stopped(mind.plan(observe()), "within 0.3 s")  # and this one waits, behind the first
        _until(lambda: server.health.waiting == 0)
        go_on.set()
        _until(lambda: server.health.busy_ns == 0)
        assert len(begun) == 1  # nobody wanted the second any more when its turn came
        _until(lambda: mind.plan(observe()).plan.kind is not PlanKind.STOP)


class Puppet:
    """A server that answers what it is told, in the protocol or not; `says` takes the request's id."""

    def __init__(self, *says):
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.ROUTER)
        self.socket.linger = 0
        self.address = f"tcp://127.0.0.1:{self.socket.bind_to_random_port('tcp://127.0.0.1')}"
        self.says, self.heard = list(says), []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        while not self.over.is_set():
            if not self.socket.poll(10):
                continue
            client, frame = self.socket.recv_multipart()
            request = unpack(Request, frame)
            self.heard.append(request)
            if request.kind == "plan":
                for frames in self.says.pop(0)(request) if self.says else ():
                    self.socket.send_multipart([client, *frames])

    def close(self):
        self.over.set()
        self.thread.join()
        self.context.destroy(linger=0)


def _reply(request, **changes):
    plan = WirePlan("waypoints", "going", waypoints=((1.0, 2.0, 0.0),), valid_for_ns=10**9)
    return [pack(replace(Reply(request.id, request.epoch, plan=plan), **changes))]


def test_replies_to_older_questions_and_of_older_epochs_are_never_taken_for_the_answer():
    wrong = WirePlan("waypoints", "wrong", waypoints=((9.0, 9.0, 0.0),), valid_for_ns=10**9)
    says = [
        lambda r: [_reply(r)],
        lambda r: [
            _reply(r, id=r.id - 1, plan=wrong), _reply(r, epoch=r.epoch - 1, plan=wrong), _reply(r, id=99, plan=wrong),
            _reply(r), _reply(r, plan=wrong),
        ],
        lambda r: [],
        lambda r: [_reply(r, id=r.id - 1, plan=wrong), _reply(r)],
    ]  # fmt: skip
    with closing(Puppet(*says)) as puppet, closing(reasoner(puppet.address)) as mind:
        assert_went(mind.plan(observe()))
        assert_went(mind.plan(observe()))
    with closing(Puppet(*says[2:])) as puppet, closing(reasoner(puppet.address, deadline_s=0.5)) as mind:
        assert_stopped(mind.plan(observe()), "within 0.5 s")
        assert_went(mind.plan(observe()))
        assert mind.late == 1


NONSENSE = {
    "not msgpack": (lambda r: [[b"\xc1"]], "not msgpack"),
    "nothing": (lambda r: [[b""]], "not msgpack"),
    "deep": (lambda r: [[b"\x91" * 100_000]], "not msgpack"),
    "a number": (lambda r: [[b"\x01"]], "version None"),
    "two frames": (lambda r: [[b"", b""]], "2 frames"),
    "another version": (
        lambda r: [_reply(r, version=VERSION + 1)],
        f"of version {VERSION + 1}; this is version {VERSION}",
    ),
    "an unknown field": (lambda r: [[pack(Reply(r.id, r.epoch)).replace(b"\xa5error", b"\xa5errox")]], "errox"),
    "a wrong type": (lambda r: [_reply(r, error=3)], "error is 3"),
    "too large": (lambda r: [[bytes(MOST_BYTES + 1)]], "connection broke"),
    "neither plan nor error": (lambda r: [_reply(r, plan=None)], "something else than a plan"),
    "words": (lambda r: [_reply(r, plan=None, text="go")], "something else than a plan"),
    "an error": (lambda r: [_reply(r, error="out of memory")], "out of memory"),
    "a strange kind": (lambda r: [_reply(r, plan=replace(WirePlan("stop", ""), kind="go"))], "Valid: latent"),
}


@pytest.mark.parametrize(("says", "why"), NONSENSE.values(), ids=NONSENSE)
def test_a_server_that_talks_nonsense_stops_the_robot_which_asks_again(says, why):
    with closing(Puppet(says, lambda r: [_reply(r)])) as puppet, closing(reasoner(puppet.address)) as mind:
        assert_stopped(mind.plan(observe()), why)
        assert_went(mind.plan(observe()))


def test_cancel_is_not_lost_on_a_question_that_is_still_being_made():
    slow = Slow()
    with (
        closing(Puppet()) as puppet,
        closing(reasoner(puppet.address, slow, deadline_s=15.0)) as mind,
        ThreadPoolExecutor(1) as pool,
    ):
        assert_stopped(withdrawn_while_asked(mind, slow, pool), "withdrawn")


def test_cancel_ends_the_call_and_tells_the_server():
    with closing(Puppet()) as puppet, closing(reasoner(puppet.address, deadline_s=60.0)) as mind:
        answers = []
        thread = threading.Thread(target=lambda: answers.append(mind.plan(observe())))
        thread.start()
        while not puppet.heard:
            time.sleep(0.005)
        mind.cancel()
        thread.join(10.0)
        assert_stopped(answers[0], "withdrawn")
        while len(puppet.heard) < 2:
            time.sleep(0.005)
        assert (puppet.heard[1].kind, puppet.heard[1].id) == ("cancel", puppet.heard[0].id)
        puppet.says.append(lambda r: [_reply(r, id=r.id - 1), _reply(r)])
        assert_went(mind.plan(observe()))
        assert mind.late == 1
    mind.close()
    assert_stopped(mind.plan(observe()))


def test_a_server_that_dies_is_noticed_and_one_that_comes_back_is_asked_again():
    with closing(reasoner("tcp://127.0.0.1:1", deadline_s=0.3)) as mind:
        assert_stopped(mind.plan(observe()), "nothing answers there", "within 0.3 s")
    with serving() as server:
        bind = server.address
        mind = reasoner(bind)
        assert_went(mind.plan(observe()))
    puppet = Puppet()
    with closing(reasoner(puppet.address, deadline_s=60.0)) as other:
        threading.Thread(target=lambda: (_until(lambda: puppet.heard), puppet.close())).start()
        assert_stopped(other.plan(observe()), "connection broke")
    with serving(bind=bind):
        assert_went(mind.plan(observe()))
    mind.close()


def _until(true, within_s=20.0):
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_one_question_is_thought_about_at_a_time_and_only_the_newest_of_a_robot_waits():
    gate, seen = threading.Semaphore(0), []

    def think(observation):
        seen.append(observation.instruction)
        gate.acquire()
        return go(observation)

    with serving(think) as server:
        context = zmq.Context()
        robots = [context.socket(zmq.DEALER) for _ in range(2)]
        for robot in robots:
            robot.connect(server.address)

        def ask(robot, number, left_ns=10**12):
            sent = _request(number, f"{robots.index(robot)}.{number}", left_ns)
            robot.send(pack(sent))
            _health(robot)

        ask(robots[0], 1)
        _until(lambda: seen == ["0.1"])
        for number in (2, 3):
            ask(robots[0], number)
        ask(robots[1], 1)
        ask(robots[1], 2, left_ns=0)
        assert server.health.waiting == 2
        for _ in range(3):
            gate.release()
        reply = unpack(Reply, robots[0].recv())
        assert (reply.id, reply.plan.kind) == (3, "waypoints")  # nobody waits for 1 and 2 any more
        _until(lambda: server.health.busy_ns == 0)
        assert seen == ["0.1", "0.3"]
        assert not robots[1].poll(50)
        context.destroy(linger=0)


def _request(number, instruction, left_ns):
    from vla_node.reasoners.translate import send_observation

    sent = send_observation(observe(instruction=instruction), 90, with_depth=False)
    return Request("plan", number, 5, left_ns, observation=sent)


def _health(robot):
    robot.send(pack(Request("health", 0)))
    assert robot.poll(20_000)
    assert unpack(Reply, robot.recv()).health is not None


def test_it_says_how_it_is_also_while_it_thinks():
    over = threading.Event()
    with serving(lambda o: over.wait(20) and go(o)) as server, closing(reasoner(server.address)) as probe:
        assert (probe.health(10**10).answered, probe.health(10**10).busy_ns) == (0, 0)
        with closing(reasoner(server.address)) as mind:
            thread = threading.Thread(target=mind.plan, args=(observe(),))
            thread.start()
            _until(lambda: probe.health(10**10).busy_ns > 0)
            over.set()
            thread.join()
            assert probe.health(10**10).answered == 1
    # The socket of a server that is closed may still take a connection for a moment.
    with closing(reasoner(server.address)) as mind, pytest.raises(ReasonerError, match=r"within 0\.2 s|broke"):
        mind.health(2 * 10**8)


def test_a_stranger_who_sends_rubbish_does_not_disturb():
    with serving() as server, closing(reasoner(server.address)) as mind:
        context = zmq.Context()
        robot = context.socket(zmq.DEALER)
        robot.connect(server.address)
        for frames in ([b""], [b"\xc1"], [b"a", b"b"], [pack(Request("plan", 1))], [bytes(MOST_BYTES + 1)]):
            robot.send_multipart(frames)
        assert_went(mind.plan(observe()))
        _until(lambda: server.health.failed == 3)
        context.destroy(linger=0)


def test_a_message_that_is_too_large_is_not_sent():
    with serving() as server, closing(reasoner(server.address)) as mind:
        assert_stopped(mind.plan(observe(instruction="x" * MOST_BYTES)), "at most")
        assert_went(mind.plan(observe()))


def test_an_address_in_use_is_said():
    with serving() as server, pytest.raises(ConfigError, match="cannot listen"):
        ReasonerServer(go, server.address)
