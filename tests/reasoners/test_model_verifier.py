"""A model that verifies, asked in AHA's form over HTTP."""

from chat_server import body, serving, whole
from reasoner_scene import observe

from vla_node.dialects.aha import Aha
from vla_node.reasoners.openai import OpenAiReasoner
from vla_node.reasoners.params import ReasonerParams


def plan(*acts):
    with serving(*acts) as chat:
        params = ReasonerParams(kind="openai", address=chat.address, model="m", dialect="aha", retries=0)
        return OpenAiReasoner(params, Aha()).plan(observe(instruction="lift the red box")).plan, chat.asked


def test_it_is_asked_with_a_picture_and_answers_with_a_reason():
    answer, asked = plan(whole("No, the gripper closed beside it."))
    assert (answer.final, answer.progress, answer.text) == (True, 0.0, "the gripper closed beside it.")
    picture, words = asked[0]["messages"][0]["content"]
    assert picture["image_url"]["url"].startswith("data:image/jpeg;base64,")
    assert "lift the red box" in words["text"]
    assert plan(whole("Yes."))[0].progress == 1.0


def test_a_server_that_fails_or_mumbles_has_no_opinion():
    for act in (body({"error": "busy"}, 500), whole("It depends."), whole("Ye", finish="length")):
        answer, _ = plan(act)
        assert not answer.final, answer.text
        assert answer.text.startswith("planner failed: ")
