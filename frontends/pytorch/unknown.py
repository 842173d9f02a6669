"""Functions of torch without a form in the IR: what is said of each, and the way out."""

from snnc.diagnostics import SnncError
from snnc.frontends.pytorch.flow import Ops

_RANDOM = (".rand", ".bernoulli", ".normal", ".poisson", ".multinomial", ".uniform")

_KNOWN = (
    (
        ("softmax", "attention"),
        "softmax attention has no form on a chip or in the IR: it divides by a sum of exponentials",
        "leave a softmax at the end to the host; replace attention by layers with weights",
    ),
    (
        ("sj_", ".gt.", ".ge.", ".lt.", ".le.", "heaviside", ".where.", ".sign."),
        "a comparison outside a neuron layer, whose state (if it has one) cannot be seen",
        "use a neuron layer of sinabs, snnTorch, SpikingJelly or Norse; a program of torch.export "
        "that holds their neurons in line has lost their states: give the module itself",
    ),
    (
        ("nonzero", "unique", "masked_select"),
        "a shape that depends on data",
        "chips have one shape for all inputs: keep every element, with zeros where there is none",
    ),
    (
        ("aten.gru", "aten.lstm", "aten.rnn"),
        "a recurrent layer of torch: it has gates or a smooth state",
        "use a recurrent layer of a spiking framework",
    ),
    (
        ("layer_norm", "group_norm", "instance_norm"),
        "a norm with the statistics of each input",
        "use batch norm, whose statistics are constant after training",
    ),
)
"""Words in names of ATen functions, what is to be said of them, and the way out."""


def draws(name: str) -> bool:
    """Whether an ATen function gives random numbers."""
    return any(word in name for word in _RANDOM)


def unknown(o: Ops, name: str) -> SnncError:
    """Return the error for an ATen function that has no form."""
    if draws(name):
        return o.refuse(
            f"{name} draws random numbers, which a chip does not",
            "encode outside the network: give the spikes as its input, or put an encoder of the IR "
            "in front (encode=poisson), which has a seed",
        )
    for words, what, help in _KNOWN:
        if any(word in name for word in words):
            return o.refuse(what, help)
    return o.refuse(
        f"{name} has no form on a chip or in the IR",
        "use linear, convolution, pooling, batch norm, sums, reshapes and neuron layers; do other "
        "work before or after the network",
    )
