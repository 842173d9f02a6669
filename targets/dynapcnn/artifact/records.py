"""What a configuration says, as records: cores, the pixel block, inputs and outputs.

Placed modules and configuration files are both read into these records and written from them, so
`load(emit(m)) == m` has one place to hold. Shapes and pairs are in the order of torch (features, y,
x); only the files put x first.
"""

from math import prod

from attrs import field, frozen

from snnc.ir.weights import Array

Shape = tuple[int, ...]


@frozen
class Destination:
    """Where events go: a core, the sum pooling on the way, what is added to the feature."""

    core: int
    pool: int = 1
    shift: int = 0


@frozen(eq=False)
class Core:
    """A used core. Weights are int8 [out, in, ky, kx]; bias and initial state None where zero.

    `name` and `shape` are those of the neurons in the program; `spike` is how many spikes a tick
    may hold in the time-stepped semantics: `single`, or `count` with at most `most`. `readout`:
    its events go to the readout block too.
    """

    core: int
    name: str
    shape: Shape
    spike: str
    most: int
    input: Shape
    output: Shape
    weights: Array
    bias: Array | None
    initial: Array | None
    stride: Shape
    padding: Shape
    return_to_zero: bool
    high: int
    low: int
    monitor: bool
    destinations: tuple[Destination, ...]
    readout: bool = False

    @property
    def kernel(self) -> int:
        """Length of the square kernel."""
        return int(self.weights.shape[2])


@frozen
class Pixels:
    """The pixel block: pairs are (y, x); `origin` and `last` bound the cut, in pooled pixels."""

    input: str
    merge: bool
    pool: Shape
    origin: Shape
    last: Shape
    mirror: tuple[bool, bool] = (False, False)
    swap: bool = False
    sensor: bool = False
    monitor: bool = False
    destinations: tuple[Destination, ...] = ()

    @property
    def output(self) -> Shape:
        """Features, height and width of what it sends."""
        size = tuple(b - a + 1 for a, b in zip(self.origin, self.last, strict=True))
        return (1 if self.merge else 2, *(size[::-1] if self.swap else size))


@frozen
class Input:
    """An input of the program: its type as text, and the cores that the host sends it to."""

    name: str
    type: str
    destinations: tuple[Destination, ...] = ()


@frozen
class Output:
    """An output of the program, which the host puts together.

    Features of monitored cores (-1: the pixel block) follow one another; every `step`-th counts.
    One that is not `seen` comes from cores that the user did not want to be monitored.
    """

    name: str
    cores: tuple[int, ...]
    pool: int
    shape: Shape
    step: int = 1
    seen: bool = True


@frozen(eq=False)
class Placed:
    """A configured chip: cores in an order in which each follows its sources."""

    name: str
    graph: str
    device: str
    inputs: tuple[Input, ...]
    cores: tuple[Core, ...]
    outputs: tuple[Output, ...]
    pixels: Pixels | None = field(default=None)

    @property
    def by_number(self) -> dict[int, Core]:
        """The cores by their number."""
        return {core.core: core for core in self.cores}


def pooled(shape: Shape, pool: int) -> Shape:
    """Return the shape behind a pooling; a remainder of rows or columns is dropped."""
    return (shape[0], *(n // pool for n in shape[1:]))


def windows(shape: Shape, kernel: int, stride: Shape, padding: Shape) -> Shape:
    """Return height and width of the neuron map that a convolution gives."""
    sizes = zip(shape[1:], stride, padding, strict=True)
    return tuple((n + 2 * p - kernel) // s + 1 for n, s, p in sizes)


def memory(weights: Shape, output: Shape, bias: bool) -> tuple[int, int, int]:
    """Return the words of kernel, neuron and bias memory that a layer takes.

    Output features and taps of a kernel, and rows and columns of neurons, are addressed by whole
    bits; input features, and features of neurons, are not (as sinabs 3.1.3 counts them).
    """
    features, inputs, *taps = weights
    kernel = inputs << (_bits(prod(taps)) + _bits(features))
    neuron = output[0] << (_bits(output[1]) + _bits(output[2]))
    return kernel, neuron, features if bias else 0


def _bits(count: int) -> int:
    return (count - 1).bit_length()
