"""Start ticks: earliest, causal, within the input buffer; what cannot be scheduled is refused."""

import numpy as np
import pytest

from snnc.diagnostics import SnncError
from snnc.extend.passes import Context
from snnc.ir import Builder, Module, Value, Word
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.schedule import Schedule


class Net:
    """Writes chains of small layers."""

    def __init__(self) -> None:
        self.build = Builder("net", "int")
        self.x = self.build.input("x", "u1[4]~")

    def weights(self, size: int, fan_in: int) -> Value:
        return self.build.weight("w", np.ones((size, fan_in), np.int8))  # type: ignore[return-value]

    def layer(self, name: str, *sources: Value, size: int = 4, **attrs: object) -> Value:
        currents = [self.build.op("linear", s, self.weights(size, s.type.size)) for s in sources]
        current = self.build.op("add", *currents) if len(currents) > 1 else currents[0]
        return self.build.op("neuron", current, name=name, threshold=1, **attrs)

    def delay(self, value: Value, by: int) -> Value:
        return self.build.op("delay", value, by=by)


def starts(module: Module) -> dict[str, int]:
    scheduled = Schedule().run(module, Context())
    return {op.result.name: op["place"]["start"] for op in scheduled.ops("neuron")}


def refused(module: Module) -> SnncError:
    with pytest.raises(SnncError) as error:
        Schedule().run(module, Context())
    return error.value


def test_a_chain_starts_layer_by_layer() -> None:
    net = Net()
    a = net.layer("a", net.x)
    b = net.layer("b", a)
    assert {"a": 0, "b": 1, "c": 2} == starts(net.build.finish(net.layer("c", b)))


def test_the_longer_branch_decides_the_start_of_a_merge() -> None:
    net = Net()
    a = net.layer("a", net.x)
    b = net.layer("b", a)
    assert {"a": 0, "b": 1, "c": 2} == starts(net.build.finish(net.layer("c", a, b)))


def test_a_delay_in_the_program_takes_the_place_of_a_start() -> None:
    net = Net()
    a = net.layer("a", net.x)
    assert {"a": 0, "b": 0} == starts(net.build.finish(net.layer("b", net.delay(a, 3))))


def test_a_loop_with_a_tick_of_delay_for_each_layer_is_legal() -> None:
    net = Net()
    later = net.build.forward("b", "u1[4]~")
    a = net.layer("a", net.x, net.delay(later, 2))
    b = net.layer("b", a)
    net.build.bind(later, b)
    assert {"a": 0, "b": 1} == starts(net.build.finish(b))


def test_a_loop_with_less_delay_than_layers_is_refused() -> None:
    net = Net()
    later = net.build.forward("b", "u1[4]~")
    a = net.layer("a", net.x, net.delay(later, 1))
    b = net.layer("b", a)
    net.build.bind(later, b)
    error = refused(net.build.finish(b))
    assert ("loop-too-short", 4) == (error.code, error.exit_status)
    assert "of 2 layers has a total delay of 1 ticks" in str(error)


def test_a_self_loop_needs_one_tick() -> None:
    net = Net()
    later = net.build.forward("a", "u1[4]~")
    a = net.layer("a", net.x, net.delay(later, 1))
    net.build.bind(later, a)
    assert {"a": 0} == starts(net.build.finish(a))


@pytest.mark.parametrize(("by", "held_back"), [(256, 0), (257, 1), (300, 44)])
def test_a_source_is_held_back_so_that_no_spike_waits_longer_than_the_buffer_is_deep(
    by: int, held_back: int
) -> None:
    net = Net()
    a = net.layer("a", net.x)
    module = net.build.finish(net.layer("b", net.delay(a, by)))
    assert {"a": held_back, "b": 0} == starts(module)


def test_a_wide_fan_in_makes_the_buffer_shallower() -> None:
    net = Net()
    a = net.layer("a", net.x, size=1153)
    assert {"a": 1, "b": 0} == starts(net.build.finish(net.layer("b", net.delay(a, 129))))


def test_a_source_read_both_at_once_and_later_than_the_buffer_is_deep_gets_a_relay() -> None:
    net = Net()
    a = net.layer("a", net.x)
    b = net.layer("b", a)
    module = net.build.finish(net.layer("c", b, net.delay(a, 256)))
    assert {"a", "b", "c", "delay.relay0"} == {*starts(module)}


def test_a_reader_that_begins_late_gets_relays_like_any_other() -> None:
    net = Net()
    a = net.layer("a", net.x)
    b = net.layer("b", a)
    module = net.build.finish(net.layer("c", net.delay(b, 1), net.delay(a, 256), first=1))
    (relay,) = set(starts(module)) - set("abc")
    assert relay.endswith(".relay0")


@pytest.mark.parametrize(("by", "legal"), [(255, True), (256, False)])
def test_the_host_must_be_able_to_send_a_tick_ahead(by: int, legal: bool) -> None:
    net = Net()
    module = net.build.finish(net.layer("a", net.delay(net.x, by)))
    assert legal == ({"a": 0} == starts(module))
    net = Net()
    module = net.build.finish(net.layer("a", net.delay(net.x, by), first=1))
    assert legal == ({"a": 0} == starts(module))


def test_a_skip_over_several_layers_waits_in_the_buffer() -> None:
    net = Net()
    a = net.layer("a", net.x)
    deep = a
    for name in "bcde":
        deep = net.layer(name, deep)
    last = net.layer("f", net.delay(a, 250), deep)
    assert {"a": 0, "b": 1, "c": 2, "d": 3, "e": 4, "f": 5} == starts(net.build.finish(last))


def test_a_loop_behind_other_layers_is_told_from_them() -> None:
    net = Net()
    b = net.layer("b", net.layer("a", net.x))
    later = net.build.forward("d", "u1[4]~")
    c = net.layer("c", b, later)
    d = net.layer("d", net.delay(c, 1))
    net.build.bind(later, d)
    error = refused(net.build.finish(d))
    assert "loop-too-short" == error.code
    assert "%b" not in str(error)


def test_a_start_given_by_the_user_is_kept() -> None:
    net = Net()
    a = net.layer("a", net.x, place={"start": 5})
    assert {"a": 5, "b": 6} == starts(net.build.finish(net.layer("b", a)))


def test_a_start_that_is_too_early_is_refused() -> None:
    net = Net()
    a = net.layer("a", net.x)
    error = refused(net.build.finish(net.layer("b", a, place={"start": 0})))
    assert error.code == "bad-start"


def test_a_reader_that_begins_later_than_its_source_is_refused() -> None:
    net = Net()
    a = net.layer("a", net.x)
    error = refused(net.build.finish(net.layer("b", a, first=3)))
    assert error.code == "reader-begins-late"
    assert "the chip needs at least 3" in str(error)


def test_a_fan_in_beyond_every_extension_is_refused() -> None:
    net = Net()
    a = net.build.op("neuron", net.build.op("linear", net.x, net.weights(73729, 4)), threshold=1)
    error = refused(net.build.finish(net.layer("b", a)))
    assert ("fan-in-exceeded", 4) == (error.code, error.exit_status)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ({"start": -1}, "start = -1, not one of 0..32767"),
        ({"start": Word("soon")}, "start = 'soon'"),
        ({"start": True}, "start = True"),
        ({"strat": 1}, "strat = 1, which no pass reads"),
        ({"bits": 3}, "bits = 3, not one of [1, 2, 4, 8]"),
        ({"slices": 3}, "slices = 3"),
    ],
)
def test_a_place_that_no_pass_understands_is_refused(place: dict[str, object], said: str) -> None:
    n = Net()
    error = refused(n.build.finish(n.layer("a", n.x, place=place)))
    assert ("bad-place", True) == (error.code, said in str(error))
    assert error.diagnostics[0].help


def test_a_start_fills_its_register_and_no_more() -> None:
    net = Net()
    last = LIMITS.max_tick - 1
    late = net.layer("a", net.x, first=last)
    assert {"a": 0} == starts(net.build.finish(late))
    error = refused(net.build.finish(net.layer("b", late, first=last)))
    assert ("unsupported-neuron", 4) == (error.code, error.exit_status)
    assert "%b: first = 32766: its cores start at step 32768" in str(error)
    assert "tick 32765 or earlier" in error.diagnostics[0].help
