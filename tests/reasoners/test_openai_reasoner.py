"""The OpenAI-compatible reasoner against a real server on loopback, however that behaves."""

import base64
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import chat_server as server
import cv2
import numpy as np
import pytest
from certificates import self_signed
from chat_server import GOOD, body, delta, serving, stream, whole
from reasoner_scene import Slow, TwoNumbers, observe, withdrawn_while_asked

from saccade.errors import ConfigError
from saccade.types import PlanKind
from vla_node.dialects.base import DialectError
from vla_node.reasoners.http import MOST_BYTES
from vla_node.reasoners.openai import OpenAiReasoner
from vla_node.reasoners.params import ReasonerParams
from vla_node.reasoners.retry import State

DONE = "data: [DONE]\n\n"


def reasoner(address, dialect=None, **params):
    values = {"deadline_s": 20.0, "retries": 0, "backoff_s": 0.01, **params}
    return OpenAiReasoner(
        ReasonerParams(kind="openai", address=address, model="m", dialect="two_numbers", **values),
        dialect or TwoNumbers(),
    )


def ask(*acts, dialect=None, **params):
    with serving(*acts) as chat:
        return reasoner(chat.address, dialect, **params).plan(observe()), chat


def assert_went(answer):
    assert answer.plan.kind is PlanKind.WAYPOINTS, answer.plan.text
    assert answer.plan.waypoints.tolist() == [[1.0, 2.0, 0.0]]
    assert (answer.plan.obs_stamp_ns, answer.plan.epoch) == (7_000, 5)


def assert_stopped(answer, *words):
    assert answer.plan.kind is PlanKind.STOP
    assert answer.plan.text.startswith("planner failed: ")
    for word in words:
        assert word in answer.plan.text
    assert answer.asked == "Be brief.\nWhere to?\n[16x12 picture]"


WHOLE = {"choices": [{"index": 0, "message": {"content": GOOD}, "finish_reason": "stop"}]}
GOOD_ANSWERS = {
    "whole": whole(),
    "whole, content as parts": whole([{"type": "text", "text": "<go>1.0 "}, {"type": "text", "text": "2.0</go>"}]),
    "whole, with thoughts beside": whole(reasoning_content="<go>9.0 9.0</go>"),
    "streamed (vLLM)": stream(
        delta("", role="assistant"), delta("<go>1.0"), delta(" 2.0</go>"), delta("", "stop"),
        'data: {"choices":[],"usage":{"total_tokens":3}}\n\n', DONE,
    ),
    "streamed, null content, pings, no DONE (llama.cpp)": stream(
        ":\n\n", delta(None, role="assistant"), ": keepalive\n\n", delta(GOOD), delta(None, "stop")
    ),
    "streamed, empty finish_reason, CRLF (Ollama)": stream(
        delta("<go>1.0", "").replace("\n", "\r\n"), delta(" 2.0</go>", "").replace("\n", "\r\n"),
        delta("", "stop").replace("\n", "\r\n"), "data:[DONE]\r\n\r\n",
    ),
    "streamed thoughts (SGLang, NIM)": stream(
        delta(None, reasoning_content="<go>3.0 3.0</go>"), delta(GOOD), delta(None, "stop"), DONE
    ),
    "streamed thoughts under a newer name": stream(delta(None, reasoning="hm"), delta(GOOD), delta(None, "stop"), DONE),
    "in chunks, kept open (uvicorn)": server.chunked(delta("<go>1.0"), delta(" 2.0</go>") + delta(None, "stop"), DONE),
    "in chunks that are cut anywhere": server.chunked(*(delta(GOOD) + delta(None, "stop") + DONE)),
    "whole, in chunks": server.chunked(json.dumps(WHOLE), kind="application/json"),
    "whole, of a stated length, kept open": body(WHOLE, hold=True, Content_Length=len(json.dumps(WHOLE))),
    "stream cut between any two bytes": stream(*(delta(GOOD) + delta(None, "stop") + DONE)),
    "a finish without a delta": stream(delta(GOOD), 'data: {"choices":[{"finish_reason":"stop"}]}\n\n', DONE),
    "text outside ASCII in thoughts, cut in a character": stream(
        (e := delta(None, reasoning="Tür").replace("\\u00fc", "ü").encode())[: (i := e.index("ü".encode()) + 1)], e[i:],
        delta(GOOD, "stop"), DONE,
    ),
}  # fmt: skip


@pytest.mark.parametrize("act", GOOD_ANSWERS.values(), ids=GOOD_ANSWERS)
def test_every_form_of_a_good_answer_is_understood(act):
    answer, _ = ask(act)
    assert_went(answer)
    assert answer.answered.endswith(GOOD)


def test_the_question_is_sent_as_these_servers_take_it():
    _, chat = ask(whole(), seed=3)
    sent = chat.asked[0]
    assert (sent["model"], sent["stream"], sent["max_tokens"], sent["temperature"], sent["seed"]) == (
        "m",
        True,
        64,
        0,
        3,
    )
    assert sent["messages"][0] == {"role": "system", "content": "Be brief."}
    words, picture = sent["messages"][1]["content"]
    assert words == {"type": "text", "text": "Where to?"}
    head, _, data = picture["image_url"]["url"].partition(",")
    assert head == "data:image/jpeg;base64"
    seen = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(seen.astype(int) - observe().image.data[:, :, ::-1]).mean() < 20
    assert "Authorization" not in chat.headers[0]


def test_red_stays_red():
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 255
    image = observe().image
    with serving(whole()) as chat:
        seen_by = observe(image=type(image)(1, "cam", red))
        reasoner(chat.address).plan(seen_by)
    data = chat.asked[0]["messages"][1]["content"][1]["image_url"]["url"].partition(",")[2]
    seen = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert seen[4, 4, 2] > 200
    assert seen[4, 4, 0] < 50


BAD_ANSWERS = {
    "not what the dialect takes": (whole("go forward"), "not two numbers"),
    "empty": (whole(""), "not two numbers"),
    "null": (whole(None), "not two numbers"),
    "cut off at max_tokens": (whole(finish="length"), "cut off after 64 tokens"),
    "filtered": (whole(finish="content_filter"), "content_filter"),
    "a tool call": (whole(finish="tool_calls"), "tool_calls"),
    "no finish_reason": (whole(finish=None), "did not come to its end"),
    "all of it as thoughts": (whole(None, reasoning_content=GOOD), "without a reasoning parser"),
    "two choices": (body({"choices": [{"index": i, "message": {"content": GOOD}} for i in (0, 1)]}), "more than one"),
    "chunks that break off": (server.chunked(delta("<go>1.0"), end=b""), "http://127.0.0.1"),
    "chunks that are none": (server.chunked(delta("<go>1.0"), end=b"zz\r\n"), "http://127.0.0.1"),
    "no choices": (body({"choices": []}), "without choices"),
    "choices that are none": (body({"choices": ["x"]}), "without message"),
    "a list": (body([1]), "JSON object"),
    "content that is a picture": (whole([{"type": "image_url"}]), "no text"),
    "garbage": (body(b"\x00\xff\xfe not json"), "not JSON"),
    "cut JSON": (body(b'{"choices": [{"index'), "not JSON"),
    "nested a million deep": (body(b"[" * 1_000_000), "not JSON"),
    "HTML": (body("<html>", kind="text/html"), "text/html"),
    "huge": (body(b" " * (MOST_BYTES + 1)), "longer than"),
    "a huge stream": (stream(*[delta("x" * 100_000)] * 50), "longer than"),
    "no HTTP": (lambda h: h.wfile.write(b"\x00\x01garbage\r\n\r\n"), "http://127.0.0.1"),
    "nothing": (lambda h: None, "http://127.0.0.1"),
    "cut headers": (lambda h: h.wfile.write(b"HTTP/1.1 200 OK\r\nContent-"), "answered with"),
    "a shorter body than promised": (body(b'{"cho', Content_Length="900"), "not JSON"),
    "hung up in mid-stream": (stream(delta("<go>1.0")), "hung up"),
    "DONE without an answer (vLLM 40986)": (stream(DONE), "did not come to its end"),
    "DONE without a finish": (stream(delta(GOOD), DONE), "did not come to its end"),
    "an error in the stream": (
        stream(delta("<go>"), 'data: {"error": {"message": "out of memory"}}\n\n'),
        "reports: out of memory",
    ),
    "an error in words": (stream('data: {"error": "boom"}\n\n', DONE), "reports: boom"),
    "an error line (llama.cpp 2025)": (
        stream('error: {"code":400,"message":"context size"}\n\n', DONE),
        "context size",
    ),
    "an error object (vLLM 2024)": (body({"object": "error", "message": "too long", "code": 400}), "reports: too long"),
    "an error that is well": (body({"error": {"message": "no such model"}}), "reports: no such model"),
    "bad JSON in the stream": (stream("data: {oops\n\n"), "not JSON"),
    "bad UTF-8 in the stream": (stream(b'data: {"a": "\xff"}\n\n'), "not JSON"),
    "404": (body({"error": {"message": "model m not found"}}, 404), "HTTP 404: model m not found"),
    "422 of FastAPI": (body({"detail": [{"msg": "bad"}]}, 422), "HTTP 422"),
    "401": (body("Unauthorized", 401, "text/plain"), "HTTP 401: Unauthorized"),
    "500": (body("x" * 5000, 500, "text/plain"), "HTTP 500"),
}


@pytest.mark.parametrize(("act", "why"), BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_anything_else_stops_the_robot_with_the_reason(act, why):
    answer, _ = ask(act)
    assert_stopped(answer, why)
    assert len(answer.plan.text) < 700


def test_what_was_said_until_it_went_wrong_is_recorded():
    answer, _ = ask(stream(delta("<go>1.0"), delta(None, reasoning="hm")))
    assert answer.answered == "<think>hm</think><go>1.0"
    assert ask(whole("go forward"))[0].answered == "go forward"


NEVER_ENDING = {
    "frozen": server.frozen,
    "pings": server.drip(": ping\n\n"),
    "tokens": server.drip(delta("x")),
    "headers": server.drip_headers,
    "stuck in mid-stream": stream(delta("<go>1.0"), hold=True),
    "no line end": server.drip("HTTP"),
}


@pytest.mark.parametrize("act", NEVER_ENDING.values(), ids=NEVER_ENDING)
def test_a_server_that_never_ends_is_left_at_the_deadline(act):
    answer, chat = ask(act, deadline_s=0.3, retries=3)
    assert_stopped(answer, "no complete answer within 0.3 s")
    assert len(chat.asked) == 1


@pytest.mark.slow
@pytest.mark.parametrize("act", NEVER_ENDING.values(), ids=NEVER_ENDING)
def test_the_deadline_is_kept_to_a_moment(act):
    begin = time.monotonic()
    ask(act, deadline_s=1.0)
    assert 0.99 < time.monotonic() - begin < 1.5


def test_a_port_that_takes_no_connection_ends_at_the_deadline_too():
    with closing(socket.create_server(("127.0.0.1", 0), backlog=0)) as full:
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
        answer = reasoner(f"http://127.0.0.1:{port}", deadline_s=0.3).plan(observe())
        assert_stopped(answer, "within 0.3 s")
        for sock in waiting:
            sock.close()
    assert_stopped(reasoner(f"http://127.0.0.1:{port}").plan(observe()), "refused")


def test_a_handshake_that_never_ends_is_left_at_the_deadline():
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        answer = reasoner(f"https://127.0.0.1:{silent.getsockname()[1]}", deadline_s=0.3).plan(observe())
    assert_stopped(answer, "within 0.3 s")


@pytest.mark.parametrize("ends_by", ["deadline", "cancel"])
def test_a_resolver_that_hangs_does_not_hold_the_call(monkeypatch, ends_by):
    asked, over = threading.Event(), threading.Event()

    def hangs(*_, flags=0, **__):
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror("not a number")
        asked.set()
        assert over.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    mind = reasoner("http://localhost:1", deadline_s=0.2 if ends_by == "deadline" else 60.0)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(mind.plan, observe())
        try:
            assert asked.wait(20)
            if ends_by == "cancel":
                time.sleep(0.05)  # it waits by now
                mind.cancel()
            assert_stopped(answer.result(20), "within 0.2 s" if ends_by == "deadline" else "withdrawn")
        finally:
            over.set()


@pytest.mark.parametrize(
    "act", [server.frozen, server.drip(": ping\n\n"), body("", 503)], ids=["frozen", "drip", "wait"]
)
def test_cancel_ends_a_call_at_once(act):
    with serving(act) as chat:
        mind = reasoner(chat.address, deadline_s=60.0, retries=1, backoff_s=30.0, failures=1)
        answers = []
        thread = threading.Thread(target=lambda: answers.append(mind.plan(observe())))
        thread.start()
        while not chat.asked:
            time.sleep(0.005)
        time.sleep(0.05)
        mind.cancel()
        thread.join(20.0)
        assert_stopped(answers[0], "withdrawn")
        assert mind.state is State.CLOSED
        chat.acts[:] = [whole()]
        assert_went(mind.plan(observe()))
        mind.cancel()
        mind.close()
        mind.close()


def test_cancel_is_not_lost_on_a_question_that_is_still_being_made():
    slow = Slow()
    with serving(server.frozen) as chat, ThreadPoolExecutor(1) as pool:
        assert_stopped(withdrawn_while_asked(reasoner(chat.address, slow, deadline_s=15.0), slow, pool), "withdrawn")


def test_an_answer_is_complete_with_its_end_and_nothing_after_it_counts():
    dialect = TwoNumbers(ends=("</go>",))
    answer, _ = ask(stream(delta("<go>1.0 "), delta("2.0</go> or"), hold=True), dialect=dialect)
    assert_went(answer)
    assert_went(ask(whole(GOOD + " or <go>3.0 3.0</go>", "length"), dialect=dialect)[0])
    assert_stopped(ask(whole(GOOD + " or <go>3.0 3.0</go>"))[0], "not two numbers")


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_failures_that_pass_are_tried_again(status):
    answer, chat = ask(body("no", status), body("no", status), whole(), retries=2)
    assert_went(answer)
    assert len(chat.asked) == 3


def test_a_connection_that_breaks_is_tried_again_and_starts_from_nothing():
    answer, chat = ask(stream(delta("<go>9.0")), lambda h: None, stream(delta(GOOD, "stop"), DONE), retries=2)
    assert_went(answer)
    assert answer.answered == GOOD
    assert len(chat.asked) == 3


def test_an_error_in_a_stream_that_may_pass_is_tried_again():
    busy = stream('data: {"error": {"message": "overloaded", "code": 503}}\n\n', DONE)
    assert_went(ask(busy, whole(), retries=1)[0])


@pytest.mark.parametrize("act", [body("no", 400), body("no", 401), body("no", 404), whole("x"), body("x", kind="a/b")])
def test_failures_that_do_not_pass_are_not_tried_again(act):
    answer, chat = ask(act, whole(), retries=5)
    assert_stopped(answer)
    assert len(chat.asked) == 1


def test_it_gives_up_after_the_last_retry():
    answer, chat = ask(body("down", 503), retries=2)
    assert_stopped(answer, "HTTP 503: down")
    assert len(chat.asked) == 3


def test_retry_after_is_waited_for():
    begin = time.monotonic()
    answer, _ = ask(body("later", 429, Retry_After="1"), whole(), retries=1)
    assert_went(answer)
    assert time.monotonic() - begin >= 1.0


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry_After": "40"},
        {"Date": "Sat, 21 Nov 2026 10:00:00 GMT", "Retry_After": "Sat, 21 Nov 2026 10:00:40 GMT"},
    ],
)  # fmt: skip
def test_a_wait_beyond_the_deadline_ends_the_call_and_later_ones(headers):
    def act(handler):
        handler.send_response_only(429)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()

    with serving(act, whole()) as chat:
        mind = reasoner(chat.address, retries=3)
        assert_stopped(mind.plan(observe()), "HTTP 429")
        assert mind.state is State.OPEN
        answer = mind.plan(observe())
        assert_stopped(answer, "left alone for ", "0 s more", "HTTP 429: Too Many Requests")
        assert len(chat.asked) == 1


def test_after_failures_the_server_is_left_alone_until_one_call_finds_it_well():
    with serving(body("down", 500)) as chat:
        mind = reasoner(chat.address, failures=2, open_s=0.3, retries=1)
        for _ in range(3):
            assert_stopped(mind.plan(observe()), "down")
        assert mind.state is State.OPEN
        assert len(chat.asked) == 4
        while mind.state is State.OPEN:
            time.sleep(0.01)
        assert mind.state is State.HALF_OPEN
        assert_stopped(mind.plan(observe()), "HTTP 500: down")
        assert mind.state is State.OPEN
        assert len(chat.asked) == 5
        while mind.state is State.OPEN:
            time.sleep(0.01)
        chat.acts[:] = [whole()]
        assert_went(mind.plan(observe()))
        assert mind.state is State.CLOSED


def test_words_that_the_dialect_refuses_are_no_failure_of_the_server():
    with serving(whole("x")) as chat:
        mind = reasoner(chat.address, failures=1, open_s=60.0)
        mind.plan(observe())
        assert mind.state is State.CLOSED


def test_a_server_that_is_started_again_works_again():
    with serving(whole()) as chat:
        mind = reasoner(chat.address)
        assert_went(mind.plan(observe()))
    assert_stopped(mind.plan(observe()), "refused")
    with serving(whole(), port=chat.server_address[1]):
        assert_went(mind.plan(observe()))


@pytest.fixture
def token(tmp_path):
    path = tmp_path / "token"
    path.write_text("tok-5ecret\n")
    path.chmod(0o600)
    return path


TELLS = [
    body({"error": {"message": "Incorrect API key provided: tok-5ecret"}}, 401),
    body("Authorization: Bearer tok-5ecret", 500, "text/plain"),
    whole("<go>tok-5ecret</go>"),
    stream('data: {"error": "tok-5ecret"}\n\n'),
    stream(delta("<go>tok-5ecret")),
    body("data: tok-5ecret", kind="text/event-stream"),
    body("", kind="tok-5ecret/x"),
]


@pytest.mark.parametrize("act", TELLS)
def test_the_token_is_sent_and_never_shows(token, act):
    with serving(act) as chat:
        mind = reasoner(chat.address, token_file=str(token), failures=1)
        answers = [mind.plan(observe()), mind.plan(observe())]
    assert chat.headers[0]["Authorization"] == "Bearer tok-5ecret"
    for answer in answers:
        assert_stopped(answer)
        assert "tok-5ecret" not in f"{answer.plan.text} {answer.asked} {answer.answered}"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(token, status):
    with serving(whole()) as other, serving(body("", status, Location=f"{other.address}/v1/chat/completions")) as chat:
        answer = reasoner(chat.address, token_file=str(token)).plan(observe())
        assert_stopped(answer, "redirects are not followed")
        assert other.asked == []


def test_a_token_of_two_words_or_for_all_to_read_is_refused(token):
    token.write_text("tok-5ecret\nX-Header: 1")
    with pytest.raises(ConfigError, match="one word") as refused:
        reasoner("http://127.0.0.1:1", token_file=str(token))
    assert "5ecret" not in str(refused.value)
    token.chmod(0o644)
    with pytest.raises(ConfigError, match="read by others"):
        reasoner("http://127.0.0.1:1", token_file=str(token))


def test_a_model_that_wants_to_be_asked_again_is_within_the_same_deadline():
    answer, chat = ask(whole("again"), whole("again"), whole())
    assert_went(answer)
    assert [message["role"] for message in chat.asked[2]["messages"]] == ["system", "user", "assistant", "user"]
    assert chat.asked[2]["messages"][2]["content"] == "again"
    assert chat.asked[2]["messages"][3]["content"] == [{"type": "text", "text": "And now?"}]
    assert "[answered] again" in answer.asked
    answer, chat = ask(whole("again"))
    assert "more; the answer was 'again'" in answer.plan.text
    assert len(chat.asked) == 4
    answer, _ = ask(whole("again"), server.frozen, deadline_s=0.3)
    assert "within 0.3 s" in answer.plan.text


def test_a_question_that_cannot_be_asked_is_not_sent():
    with serving(whole()) as chat, pytest.raises(DialectError, match="no picture"):
        reasoner(chat.address).plan(observe(image=None))
    assert chat.asked == []


def test_a_server_that_speaks_no_tls_and_one_whose_certificate_nobody_vouches_for(tmp_path):
    with serving(whole()) as chat:
        answer = reasoner(chat.address.replace("http:", "https:")).plan(observe())
        assert_stopped(answer, "https://")
        assert chat.asked == []
    with pytest.raises(ConfigError, match="ca_file"):
        reasoner("https://example.invalid", ca_file=str(tmp_path / "none.pem"))


def test_certificates_are_checked_unless_their_authority_is_given(tmp_path):
    certificate, context = self_signed(tmp_path)
    with serving(whole()) as chat:
        chat.socket = context.wrap_socket(chat.socket, server_side=True)
        address = f"https://localhost:{chat.server_address[1]}"
        assert_stopped(reasoner(address).plan(observe()), "no certificate that is trusted", "ca_file")
        assert_went(reasoner(address, ca_file=str(certificate)).plan(observe()))
        chat.acts[:] = [server.frozen]
        answer = reasoner(address, ca_file=str(certificate), deadline_s=0.3).plan(observe())
        assert_stopped(answer, "within 0.3 s")
