"""States in plain attributes, and hooks that reset layers before the first step."""

import numpy as np
import pytest

import snnc
from snnc.diagnostics import SnncError

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402


class Layer(nn.Module):
    """Neurons that keep their potential as the vendor's layers do off the chip."""

    def __init__(self, first):
        super().__init__()
        self.v = first

    def forward(self, x):
        if self.v is None:
            self.v = torch.zeros_like(x)
        v = self.v * 0.5 + x
        spikes = (v > 0.4).float()
        self.v = v * (1 - spikes)
        return spikes

    def reset(self, x):
        self.v = torch.zeros_like(x)


class Stack(nn.Module):
    """Two layers; hooks may reset them once per sample, as the vendor's guide shows."""

    one_step = True

    def __init__(self, first, hooks=False):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(5, 4), nn.Linear(4, 3)
        for layer in (self.fc1, self.fc2):
            layer.weight.data.abs_()
        self.lif1, self.lif2 = Layer(first), Layer(first)
        for child in self.modules() if hooks else ():
            if isinstance(child, Layer):
                child.register_forward_pre_hook(self.lyn_reset_hook)

    @staticmethod
    def lyn_reset_hook(m, xi: tuple):
        assert isinstance(xi, tuple)
        assert len(xi) == 1
        if not hasattr(m, "lyn_cnt"):
            setattr(m, "lyn_cnt", 0)  # noqa: B010 (as in the guide)
        if m.lyn_cnt == 0:
            m.reset(xi[0])
        m.lyn_cnt += 1

    def _reset_lyn_cnt(self):
        for child in self.modules():
            if hasattr(child, "lyn_cnt"):
                child.lyn_cnt = 0

    def forward(self, x):
        return self.lif2(self.fc2(self.lif1(self.fc1(x))))


def compared(network, x):
    """The emulator's spikes, compared with the module's own."""
    build = snnc.compile(snnc.load((network, torch.zeros(1, 5))), target="lynxi")
    ran = build.run(x).outputs["out"][0]
    with torch.no_grad():
        expected = [network(torch.from_numpy(x[:, t])).numpy()[0] for t in range(x.shape[1])]
    np.testing.assert_array_equal(np.stack(expected), ran)
    return build, ran


@pytest.mark.parametrize("first", [None, 0.0, torch.tensor([0.0]), torch.zeros(1, 1)])
def test_attributes_that_change_from_step_to_step_are_states(first):
    torch.manual_seed(3)
    x = np.random.default_rng(1).random((1, 9, 5), dtype=np.float32)
    build, ran = compared(Stack(first).eval(), x)
    flags = sorted(op["flag"] for op in build.placed.ops("annotation.load"))
    assert ["lif1.v", "lif2.v"] == flags
    assert ran.any()
    assert build.verify()


def test_hooks_that_reset_a_layer_before_the_first_step_are_taken():
    torch.manual_seed(3)
    network = Stack(torch.tensor([0.0]), hooks=True).eval()
    x = np.random.default_rng(1).random((2, 9, 5), dtype=np.float32)
    for sample in x:
        network._reset_lyn_cnt()
        _, ran = compared(network, sample[None])
        assert ran.any()


def test_reset_hooks_take_layers_of_the_framework_too():
    from snnc.frontends.bidl.layers import Conv2dLif, FcLif, Population

    class Net(nn.Module):
        one_step = True

        def __init__(self):
            super().__init__()
            self.conv, self.fc = Conv2dLif(1, 2, 3, padding=1), FcLif(18, 4)
            for child in self.modules():
                if isinstance(child, Population):
                    child.register_forward_pre_hook(Stack.lyn_reset_hook)

        def forward(self, x):
            return self.fc(self.conv(x).flatten(1))

    torch.manual_seed(5)
    network = Net().eval()
    x = np.random.default_rng(2).random((1, 6, 1, 3, 3), dtype=np.float32) * 4
    build = snnc.compile(snnc.load((network, torch.zeros(1, 1, 3, 3))), target="lynxi")
    ran = build.run(x).outputs["out"][0]
    with torch.no_grad():
        expected = [network(torch.from_numpy(x[:, t])).numpy()[0] for t in range(6)]
    np.testing.assert_array_equal(np.stack(expected), ran)


class Looped(Stack):
    """All steps in one call, as the guide's residual network is trained."""

    def forward(self, xis):
        made = [super(Looped, self).forward(xis[:, t, ...]) for t in range(xis.size(1))]
        self._reset_lyn_cnt()
        return sum(made) / len(made)


def test_hooks_that_reset_before_the_first_of_all_steps_leave_no_state():
    torch.manual_seed(3)
    network = Looped(torch.tensor([0.0]), hooks=True).eval()
    x = np.random.default_rng(1).random((1, 3, 6, 5), dtype=np.float32)
    module = snnc.load((network, torch.zeros(1, 6, 5)))
    assert not list(module.ops("annotation.load"))
    ran = snnc.compile(module, target="lynxi").run(x).outputs["out"][0]
    with torch.no_grad():
        expected = [network(torch.from_numpy(x[:, n])).numpy()[0] for n in range(3)]
    np.testing.assert_allclose(np.stack(expected), ran, rtol=1e-6)
    assert ran.any()


class Always(Stack):
    """Its layers forget everything at every step."""

    def forward(self, x):
        self.lif1.reset(self.fc1(x))
        return self.lif1(self.fc1(x))


def test_what_is_set_before_it_is_read_is_no_state():
    torch.manual_seed(3)
    build, _ = compared(Always(None).eval(), np.full((1, 4, 5), 0.7, np.float32))
    assert not list(build.placed.ops("annotation.load"))


class Counting(Stack):
    """Keeps a number that changes what it computes."""

    def forward(self, x):
        self.steps = getattr(self, "steps", 0) + 1
        return self.fc1(x) * self.steps


class Seeded(nn.Module):
    """A state that begins as the first input."""

    one_step = True
    v = None

    def forward(self, x):
        self.v = x if self.v is None else self.v + x
        return self.v * 1.0


class Odd(nn.Module):
    """States whose element or shape cannot be kept."""

    one_step = True

    def __init__(self, first):
        super().__init__()
        self.register_buffer("seen", first)

    def forward(self, x):
        if self.seen.dtype == torch.bool:
            self.seen = self.seen | (x > 0.5)
            return self.seen.float()
        self.seen = self.seen[:, :1] + x
        return self.seen * 1.0


@pytest.mark.parametrize(
    ("network", "code"),
    [
        (Counting(None), "torch-differs"),
        (Seeded(), "torch-differs"),
        (Odd(torch.zeros(1, 5, dtype=torch.bool)), "state-type"),
        (Odd(torch.zeros(1, 3)), "state-shape"),
    ],
)
def test_what_can_not_be_a_state_is_refused(network, code):
    with pytest.raises(SnncError) as found:
        snnc.load((network.eval(), torch.full((1, 5), 0.25)))
    assert code == found.value.code


def test_the_comparison_can_be_left_out():
    module = snnc.load((Counting(None).eval(), torch.zeros(1, 5)), check=False)
    assert ["out"] == [v.name for v in module.graph.outputs]


def test_options_of_configurations_are_refused_for_modules():
    for option in ({"backbone": "net.py:Net"}, {"slice": 0}, {"input_shape": (1, 5)}):
        with pytest.raises(SnncError) as found:
            snnc.load((Stack(None).eval(), torch.zeros(1, 5)), **option)
        assert "unused-option" == found.value.code
