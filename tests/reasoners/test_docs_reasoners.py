"""The examples of docs/fast_in_slow.md are run as they stand there."""

import re
import threading
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from reasoner_scene import observe

from saccade.params import build
from saccade.types import PlanKind
from vla_node.params import VlaParams
from vla_node.reasoners.address import chat_url
from vla_node.reasoners.open import open_reasoner
from vla_node.reasoners.params import ReasonerParams
from vla_node.serving.reasoner import ReasonerServer

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "fast_in_slow.md").read_text()


def example(name):
    """The function in the block that begins with a comment of that file name."""
    block = next(b for b in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if b.startswith(f"# {name}.py"))
    space = {}
    exec(compile(block, f"{name}.py", "exec"), space)
    return space


@contextmanager
def asking(think, dialect=""):
    server = ReasonerServer(think, "tcp://127.0.0.1:0", dialect=dialect)
    over = threading.Event()
    thread = threading.Thread(target=server.serve, args=(over.is_set,))
    thread.start()
    params = build(ReasonerParams, {"kind": "zmq", "address": server.address, "dialect": dialect, "depth": not dialect})
    try:
        with closing(open_reasoner(params, 0.3, 0.6)) as mind:
            yield mind
    finally:
        over.set()
        thread.join()
        server.close()


def test_a_function_of_an_observation():
    bright = replace(observe().image, data=np.full((12, 16, 3), 200, np.uint8))
    with asking(example("my_model")["plan"]) as mind:
        assert mind.plan(observe(image=bright)).plan.kind is PlanKind.WAYPOINTS
        assert mind.plan(observe(image=replace(bright, data=bright.data // 9))).plan.text == "too dark ahead"
        assert "dust" in mind.plan(observe(image=None, blind="dust")).plan.text


def test_a_function_of_a_question():
    with asking(example("my_vlm")["answer"], "nav_r1") as mind:
        answer = mind.plan(observe())
    assert answer.plan.kind is PlanKind.WAYPOINTS, answer.plan.text
    assert answer.answered.startswith("<think>2 pictures")


@pytest.mark.parametrize("text", [b for b in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "reasoner:" in b])
def test_parameters(text):
    values = yaml.safe_load(text)
    if "vla_node" in values:
        values = values["vla_node"]["ros__parameters"]
        build(VlaParams, values)
    values = values.get("planner", values)["reasoner"]
    open_reasoner(build(ReasonerParams, values), 0.3, 0.6).close()


def test_every_address_in_the_table():
    section = PAGE.partition("### OpenAI-compatible servers")[2].partition("\n### ")[0]
    addresses = re.findall(r"\| `(https?://[^`]*)`", section)
    assert len(addresses) == 6
    for address in addresses:
        chat_url(address)
