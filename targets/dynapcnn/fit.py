"""Why layers find no core: a table of layer against core, and what would help."""

from collections.abc import Sequence

from snnc.diagnostics import Location, SnncError, fail
from snnc.targets.dynapcnn.limits import Chip
from snnc.targets.dynapcnn.matching import crowded
from snnc.targets.dynapcnn.records import Core, memory

MEMORIES = ("kernel", "neuron", "bias")


def layer_table(chip: Chip, layers: Sequence[Core]) -> list[str]:
    """Return a line per layer: the words that it needs, and per core `fits` or what it lacks."""
    lines = ["layer (kernel/neuron/bias words): " + " ".join(map(str, range(chip.cores)))]
    for number, layer in enumerate(layers):
        need = memory(layer.weights.shape, layer.output, layer.bias is not None)
        cells = [_cell(chip, core, need) for core in range(chip.cores)]
        lines.append(f"{number} %{layer.name} ({'/'.join(map(str, need))}): {' '.join(cells)}")
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
    lost = [n for n, cores in enumerate(fits) if not cores]
    if lost:
        advice = dict.fromkeys(line for n in lost for line in _advice(chip, layers[n]))
        names = ", ".join(f"%{layers[n].name}" for n in lost)
        return fail(
            "no-core-fits",
            f"no core of {chip.name} has the memory for {names}",
            loc,
            notes=table,
            help="; ".join([*advice] + [hint] * bool(hint)),
            exit_status=4,
        )
    crowd, cores = crowded(fits)
    names = ", ".join(f"%{layers[n].name}" for n in crowd)
    return fail(
        "too-few-cores",
        f"{len(crowd)} layers ({names}) fit only {len(cores)} cores of {chip.name}: "
        f"{', '.join(map(str, cores))}",
        loc,
        notes=table,
        help="; ".join(
            ["use fewer layers, or make one of them small enough for another core"]
            + [hint] * bool(hint)
        ),
        exit_status=4,
    )


def _advice(chip: Chip, layer: Core) -> list[str]:
    kernel, neuron, bias = memory(layer.weights.shape, layer.output, layer.bias is not None)
    found = []
    if kernel > max(chip.kernel):
        found.append(
            f"kernel memory {kernel} > {max(chip.kernel)} words: fewer channels, or pool before "
            "the layer where its kernel spans the map"
        )
    if neuron > max(chip.neuron):
        found.append(
            f"neuron memory {neuron} > {max(chip.neuron)} words: a larger stride, pooling before "
            "the layer, or fewer channels"
        )
    if bias > max(chip.bias):
        found.append(f"bias memory {bias} > {max(chip.bias)} words: fewer channels")
    return found or ["no core has all three memories at once: fewer channels, or a larger stride"]
