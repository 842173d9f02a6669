"""Judges a placed module by the rules of the chip, without the placer.

It looks at each core alone (sizes, ranges, memory), then along each destination: the target is
used, and what arrives has the size that it expects.
"""

from collections.abc import Iterator

from snnc.diagnostics import Diagnostics
from snnc.ir.graph import Module
from snnc.ir.types import parse_type
from snnc.targets.dynapcnn.artifact.assemble import read_module
from snnc.targets.dynapcnn.artifact.records import Core, Destination, Placed, Shape, memory, pooled
from snnc.targets.dynapcnn.limits import Chip, chip
from snnc.targets.dynapcnn.rules import Problem, core_problems, pixel_problems


def check(module: Module) -> Diagnostics:
    """Return everything that is wrong with a placed module.

    Raises:
        SnncError: `placed-malformed` if it is no placed module, `unknown-variant`.
    """
    placed = read_module(module)
    found = Diagnostics()
    for name, problem in _problems(placed, chip(placed.device)):
        found.error(problem.code, f"%{name}: {problem.message}", module.loc, help=problem.help)
    for core in placed.cores:
        if core.low == 0:
            found.warn(
                "lower-bound-zero",
                f"%{core.name}: a lower bound of 0 does not work on known chips",
                module.loc,
                help="use -1",
            )
    return found


def _problems(placed: Placed, device: Chip) -> Iterator[tuple[str, Problem]]:
    numbers = [core.core for core in placed.cores]
    for core in placed.cores:
        for problem in core_problems(core):
            yield core.name, problem
        if core.readout and not (device.extras and core.output[1:] == (1, 1)):
            message = f"{device.name} has no readout block that takes {list(core.output)}"
            yield core.name, Problem("readout-layer", message, "send it one neuron per class")
        if not 0 <= core.core < device.cores or numbers.count(core.core) > 1:
            message = f"core {core.core} is not one of {device.cores}, or is used twice"
            yield core.name, Problem("core-number", message, "give each layer a core of its own")
        else:
            yield from ((core.name, p) for p in _memory_problems(core, device))
    for name, shape, sent in _senders(placed):
        for to in sent:
            yield from ((name, p) for p in _arrival_problems(placed, shape, to))
    if placed.pixels is not None:
        types = {i.name: _map(parse_type(i.type).shape) for i in placed.inputs}
        for problem in pixel_problems(placed.pixels, types[placed.pixels.input]):
            yield placed.pixels.input, problem
    yield from _output_problems(placed)


def _memory_problems(core: Core, device: Chip) -> Iterator[Problem]:
    need = memory(core.weights.shape, core.output, core.bias is not None)
    rooms = (device.kernel, device.neuron, device.bias)
    for name, words, room in zip(("kernel", "neuron", "bias"), need, rooms, strict=True):
        if words > room[core.core]:
            message = f"{words} words of {name} memory, core {core.core} has {room[core.core]}"
            yield Problem("core-memory", message, "place it on a larger core, or make it smaller")


def _map(shape: Shape) -> Shape:
    size = 1
    for n in shape:
        size *= n
    return shape if len(shape) == 3 else (size, 1, 1)


def _senders(placed: Placed) -> Iterator[tuple[str, Shape, tuple[Destination, ...]]]:
    for one in placed.inputs:
        yield one.name, _map(parse_type(one.type).shape), one.destinations
    if placed.pixels is not None:
        yield "pixels", placed.pixels.output, placed.pixels.destinations
    for core in placed.cores:
        yield core.name, core.output, core.destinations


def _arrival_problems(placed: Placed, shape: Shape, to: Destination) -> Iterator[Problem]:
    target = placed.by_number.get(to.core)
    if target is None:
        message = f"it sends to core {to.core}, which is not used"
        yield Problem("destination-unused", message, "send to a core that holds a layer")
        return
    features, *size = pooled(shape, to.pool) if to.pool > 0 else (0, 0, 0)
    fits = to.shift >= 0 and to.shift + features <= target.input[0]
    if tuple(size) != target.input[1:] or not fits:
        message = (
            f"{[features, *size]} from feature {to.shift} on arrives at core {to.core}, whose "
            f"input is {list(target.input)}"
        )
        yield Problem("destination-shape", message, "compile anew")


def _output_problems(placed: Placed) -> Iterator[tuple[str, Problem]]:
    cores = placed.by_number
    for output in placed.outputs:
        for core in output.cores:
            source = placed.pixels if core == -1 else cores.get(core)
            if source is None or (output.seen and not source.monitor):
                message = f"core {core} is not monitored, so the host can't see it"
                yield output.name, Problem("output-unseen", message, "monitor the layer")
