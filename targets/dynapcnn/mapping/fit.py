"""Why layers find no core: a table of layer against core, and what would help."""

from collections.abc import Sequence

from snnc.diagnostics import Location, SnncError, fail
from snnc.targets.dynapcnn.artifact.records import Core, Shape, memory, pooled, windows
from snnc.targets.dynapcnn.limits import LIMITS, Chip
from snnc.targets.dynapcnn.mapping.matching import crowded

MEMORIES = ("kernel", "neuron", "bias")


def layer_table(chip: Chip, layers: Sequence[Core]) -> list[str]:
    """Return a line per layer, the words that it needs and per core `fits` or what it lacks.

    Behind them stand the words that the cores have.
    """
    lines = ["layer (kernel/neuron/bias words): " + " ".join(map(str, range(chip.cores)))]
    for number, layer in enumerate(layers):
        need = memory(layer.weights.shape, layer.output, layer.bias is not None)
        cells = [_cell(chip, core, need) for core in range(chip.cores)]
        lines.append(f"{number} %{layer.name} ({'/'.join(map(str, need))}): {' '.join(cells)}")
    rooms = (chip.kernel, chip.neuron, chip.bias)
    for name, room in zip(MEMORIES, rooms, strict=True):
        lines.append(f"{name} words of the cores: {' '.join(map(str, room))}")
    return lines


def _cell(chip: Chip, core: int, need: tuple[int, int, int]) -> str:
    room = (chip.kernel[core], chip.neuron[core], chip.bias[core])
    lacking = [name[0].upper() for name, a, b in zip(MEMORIES, need, room, strict=True) if a > b]
    return "+".join(lacking) or "fits"


def nowhere(
    chip: Chip, layers: Sequence[Core], fits: Sequence[Sequence[int]], loc: Location, hint: str
) -> SnncError:
    """Return the error for layers that can't all be placed; `hint` is another way out, or ""."""
    table = [*layer_table(chip, layers), "K, N, B: kernel, neuron, bias memory is too small"]
    hints = [hint] * bool(hint)
    lost = [n for n, cores in enumerate(fits) if not cores]
    if lost:
        advice = [line for n in lost for line in _advice(chip, layers[n])]
        names = ", ".join(f"%{layers[n].name}" for n in lost)
        return fail(
            "no-core-fits",
            f"no core of {chip.name} has the memory for {names}",
            loc,
            notes=table,
            help="; ".join([*advice, *hints]) or "use fewer channels and smaller maps",
            exit_status=4,
        )
    crowd, cores = crowded(fits)
    names = ", ".join(f"%{layers[n].name}" for n in crowd)
    advice = [line for n in crowd for line in _advice(chip, layers[n], cores)]
    return fail(
        "too-few-cores",
        f"{len(crowd)} layers ({names}) fit only {len(cores)} of {chip.name}'s cores: "
        f"{', '.join(map(str, cores))}",
        loc,
        notes=table,
        help="; ".join([*advice, *hints]) or "use fewer layers",
        exit_status=4,
    )


def _advice(chip: Chip, layer: Core, taken: Sequence[int] = ()) -> list[str]:
    """Return what makes a layer fit some core that is not taken, each by itself."""
    found = []
    bias = layer.bias is not None
    out, inputs, kernel, _ = layer.weights.shape

    def fits(features: int, sources: int, taps: int, size: Shape) -> bool:
        weights = (features, sources, taps, taps)
        return bool({*fitting(chip, memory(weights, (features, *size), bias))} - {*taken})

    whole = layer.output[1:]
    strides = (2 * layer.stride[0], 2 * layer.stride[1])
    known = {*strides} <= {*LIMITS.strides} and whole != (1, 1)
    if known and fits(out, inputs, kernel, windows(layer.input, kernel, strides, layer.padding)):
        found.append(f"a stride of {list(strides)}")
    spans = layer.input[1:] == (kernel, kernel) and not any(layer.padding)
    for pool in LIMITS.pools[1:]:
        smaller = pooled(layer.input, pool)
        taps = kernel // pool if spans else kernel
        size = windows(smaller, max(taps, 1), layer.stride, layer.padding)
        if min(size) > 0 and fits(out, inputs, max(taps, 1), size):
            found.append(f"pooling by {pool} before it")
            break
    less = next((n for n in range(out - 1, 0, -1) if fits(n, inputs, kernel, whole)), 0)
    found += [f"at most {less} output channels"] * bool(less)
    less = next((n for n in range(inputs - 1, 0, -1) if fits(out, n, kernel, whole)), 0)
    found += [f"at most {less} input channels"] * bool(less)
    return [f"%{layer.name} fits with {', or '.join(found)}"] if found else []


def fitting(chip: Chip, need: tuple[int, int, int]) -> list[int]:
    """Return the cores with these words of kernel, neuron and bias memory."""
    rooms = zip(chip.kernel, chip.neuron, chip.bias, strict=True)
    return [
        n for n, room in enumerate(rooms) if all(a <= b for a, b in zip(need, room, strict=True))
    ]
