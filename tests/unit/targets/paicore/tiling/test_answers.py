"""Answers that are kept: each question is answered once, by value."""

import pytest

from snnc.targets.paicore.neurons.populations import Populations
from snnc.targets.paicore.tiling import choose, finer
from snnc.targets.paicore.tiling.answers import Answers
from snnc.targets.paicore.tiling.plan import Planner
from snnc.targets.paicore.tiling.shares import Share
from tests.unit.targets.paicore.tiling.networks import chain


def test_a_question_is_answered_once_and_few_answers_are_kept() -> None:
    asked: list[int] = []
    answers = Answers[None](2)
    for number in (1, 1, 2, 1, 3, 3, 1):
        answers.of(number, lambda number=number: asked.append(number))
    assert [1, 2, 3, 1] == asked


def plans(bits: int) -> list[tuple[int, int, int]]:
    populations = Populations(chain("lenet", bits))
    planner = Planner(populations, "masks")
    found = [planner.plan([Share(op)], [1]) for op in populations.ops]
    return [(plan.extension, plan.cores, plan.occupied) for plan in found]


def test_a_layer_of_another_module_gets_what_was_found_for_one_that_is_alike(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = plans(1)
    monkeypatch.setattr(choose, "choose", None)
    monkeypatch.setattr(finer, "_cheapest", None)
    assert expected == plans(1)
