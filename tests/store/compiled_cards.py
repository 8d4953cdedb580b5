"""Cards of small graphs whose runtime compiles."""

from stand_ins import approved, matcher, written

from engines.card import load_card

SIZE = {"rule": "resize", "height": 96, "width": 160}


def card_at(folder, graph=None, **changed):
    path = written(folder, graph or matcher(shape=(96, 160)), **{"runtime": "openvino", "size": SIZE, **changed})
    return load_card(approved(path))
