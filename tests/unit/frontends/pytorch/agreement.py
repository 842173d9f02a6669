"""What the tests of frameworks share: run a network both ways, and count where they part."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra `torch`)")
torch.set_num_threads(1)

TICKS, SAMPLES = 32, 8


def spikes(*shape, rate=0.5, seed=0):
    """Return a random train of 0 and 1, as float32."""
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(shape, generator=generator) < rate).float()


def values(*shape, seed=0):
    """Return random numbers around 0.5, as float32."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator) * 2 - 0.5


def busy(network, factor=3.0):
    """Return the network in eval mode with larger weights, so that every layer fires."""
    torch.manual_seed(1)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 1.5)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.uniform_(-0.2, 0.2)
        elif isinstance(module, (torch.nn.Linear, torch.nn.Conv2d, torch.nn.Conv1d)):
            module.weight.data *= factor
    return network.eval()


def recorded(network, call):
    """Return what every module gave (its first result), call by call, while `call` runs."""
    given = {name: [] for name, _ in network.named_modules() if name}
    handles = []
    for name, module in network.named_modules():
        if name:

            def hook(module, inputs, result, name=name):
                one = result[0] if isinstance(result, tuple) else result
                if isinstance(one, torch.Tensor):
                    given[name].append(one.detach().clone())

            handles.append(module.register_forward_hook(hook))
    with torch.no_grad():
        call(network)
    for handle in handles:
        handle.remove()
    return {name: calls for name, calls in given.items() if calls}


def needed(name):
    """Return a module of a framework, or skip the test."""
    return pytest.importorskip(name, reason=f"{name.partition('.')[0]} is not installed")


def agree(network, x, order="step", prepare=lambda n: None, layers=None, recorded_as="", **options):
    """Assert that every neuron layer spikes as in the framework, and return the module.

    `x` is (ticks, samples, *shape); `order` says how the network wants it: step, TB, BT, merged,
    loop (time first, ticks unrolled in forward), and `recorded_as` how its layers do, where that
    is another one. Each layer must fire, and not always.
    """
    import snnc

    sample = {
        "step": x[0, :2],
        "TB": x[:, :2],
        "loop": x[:, :2],
        "BT": x[:, :2].transpose(0, 1),
        "merged": x.transpose(0, 1).flatten(0, 1),
    }[order]
    module = snnc.load(network, sample=sample, **options)
    prepare(network)

    def call(net):
        if order == "step":
            for one in x:
                net(one)
        elif order in ("TB", "loop"):
            net(x)
        elif order == "BT":
            net(x.transpose(0, 1))
        else:
            net(x.transpose(0, 1).flatten(0, 1))

    given = recorded(network, call)
    source = module.graph.inputs[0]
    array = x.transpose(0, 1).numpy().astype(source.type.element.storage)
    neurons = {op.result.name: op for op in module.graph.ops if op.kind == "neuron"}
    wanted = layers or [n for n in neurons if n in given]
    assert wanted, (list(neurons), list(given))
    result = snnc.run(module, {source.name: array}, probe=list(neurons))
    for name in wanted:
        theirs = arranged(given[name], recorded_as or order, x.shape)
        ours = result.trace[name]
        assert ours.shape == theirs.shape
        assert 0.0 == float((ours != theirs).sum()), f"{name}: first differences"
        assert 0 < theirs.mean(), f"{name} is silent"
        assert (theirs == 0).any(), f"{name} always fires"
    return module


def arranged(calls, order, shape):
    """Return recorded results as (samples, ticks, ...)."""
    ticks, samples = shape[:2]
    if len(calls) == ticks and calls[0].shape[0] == samples:
        return torch.stack(calls, 1).numpy()
    (one,) = calls
    if order == "merged":
        return one.reshape(samples, ticks, *one.shape[1:]).numpy()
    return (one if order == "BT" else one.transpose(0, 1)).numpy()


def refused(code, network, x, **options):
    """Return the diagnostic with which a network is refused."""
    import snnc
    from snnc.diagnostics import SnncError

    with pytest.raises(SnncError) as caught:
        snnc.load(network, sample=x, **options)
    assert code == caught.value.code, str(caught.value)
    return caught.value.diagnostics[0]


__all__ = [
    "SAMPLES",
    "TICKS",
    "agree",
    "busy",
    "needed",
    "np",
    "recorded",
    "refused",
    "spikes",
    "torch",
    "values",
]
