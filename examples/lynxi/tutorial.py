"""The tutorial's network: 784-512-512-10 leaky neurons on MNIST, one time step, explicit states.

    snnc compile examples/lynxi/tutorial.py:build -t lynxi -o build --batch 28

`build` returns the network and a sample; `StateWrapper` is how the tutorial keeps a potential.
"""

import torch
from torch import nn


class StateWrapper:
    """A potential beside the module; on the chip the tool chain puts a load and a save here."""

    def __init__(self, mem: torch.Tensor, on_apu: bool) -> None:
        self.mem, self.on_apu = mem, on_apu

    def get(self) -> torch.Tensor:
        return self.mem

    def set(self, mem: torch.Tensor) -> None:
        self.mem = mem


class OneStep(nn.Module):
    """One step: Bernoulli spikes of the image, three layers, spikes of the last one."""

    def __init__(
        self, classes: int = 10, size: int = 28, channel: int = 512, on_apu: bool = True
    ) -> None:
        super().__init__()
        self.channel, self.classes, self.on_apu = channel, classes, on_apu
        self.vth = nn.Parameter(0.4 * torch.ones(1), requires_grad=False)
        self.decay = nn.Parameter(0.8 * torch.ones(1), requires_grad=False)
        self.linear_1 = nn.Linear(size**2, channel)
        self.linear_2 = nn.Linear(channel, channel)
        self.linear_3 = nn.Linear(channel, classes)
        self.reset()

    def reset(self) -> None:
        self.states_mem_1 = StateWrapper(torch.zeros(1, self.channel), self.on_apu)
        self.states_mem_2 = StateWrapper(torch.zeros(1, self.channel), self.on_apu)
        self.states_mem_3 = StateWrapper(torch.zeros(1, self.classes), self.on_apu)

    def update(
        self, operator: nn.Module, inputs: torch.Tensor, state: StateWrapper
    ) -> torch.Tensor:
        v = state.get().to(inputs.device)
        fired = torch.gt(v, self.vth).float()
        current = operator(inputs)
        v = v * (1 - fired) * self.decay + current
        spikes = torch.gt(v, self.vth).float()
        state.set(v)
        return spikes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.on_apu:
            draws = rand(x[0, 0, 0, 0], x.size(), 0x4000, mode=0)  # noqa: F821 (the vendor's)
            x = (draws < x).float()
        else:
            x = torch.bernoulli(x)
        x = x.view(x.size(0), -1)
        x = self.update(self.linear_1, x, self.states_mem_1)
        x = self.update(self.linear_2, x, self.states_mem_2)
        return self.update(self.linear_3, x, self.states_mem_3)


def build() -> tuple[nn.Module, torch.Tensor]:
    """Return the network with fresh weights, and a sample."""
    torch.manual_seed(20231026)
    return OneStep().eval(), torch.full((1, 1, 28, 28), 0.5)


def off_chip() -> tuple[nn.Module, torch.Tensor]:
    """Return the same network as it is trained: the step draws with torch.bernoulli."""
    torch.manual_seed(20231026)
    return OneStep(on_apu=False).eval(), torch.full((1, 1, 28, 28), 0.5)
