"""Tables of a PAICORE build, from its placed program: layers, cores, inputs, outputs."""

from collections.abc import Iterator
from typing import Any

from snnc.targets.paicore.chip.geometry import capacity
from snnc.targets.paicore.chip.ram import RAM_BITS
from snnc.targets.paicore.placed import Core, Layer, Placed


def place(chip: tuple[int, int], core: tuple[int, int]) -> str:
    """Return how chip and core are written: `0,0:3,1`.

    >>> place((0, 0), (3, 1))
    '0,0:3,1'
    """
    return f"{chip[0]},{chip[1]}:{core[0]},{core[1]}"


def dendrites(core: Core) -> int:
    """Return how many of a core's dendrites its neurons take."""
    return core.count * core["bits"] * core["extension"]


def available(core: Core) -> int:
    """Return how many dendrites a core has for neurons such as its own."""
    bits, extension = core["bits"], core["extension"]
    return capacity(core.wide, bits, extension) * bits * extension


def held(placed: Placed) -> dict[Core, list[tuple[Layer, int, int, int]]]:
    """Return what each core holds: (layer, its first place in the layer, first row, last row)."""
    found: dict[Core, list[tuple[Layer, int, int, int]]] = {core: [] for core in placed.cores}
    for layer in placed.layers:
        done = 0
        for core, first, last in layer.pieces:
            found[core].append((layer, done, first, last))
            done += last - first
    return found


def layer_name(layer: Layer) -> str:
    """Return a layer's name, with the number of its copy if it is not the first."""
    return layer.of + (f"#{layer.copy}" if layer.copy else "")


def cores(placed: Placed) -> Iterator[dict[str, Any]]:
    """Yield a row per used core, in file order."""
    holds = held(placed)
    for core in placed.cores:
        taken = dendrites(core)
        yield {
            "core": place(core.chip, core.at),
            "holds": [
                f"{layer_name(layer)}[{done}:{done + last - first}]"
                for layer, done, first, last in holds[core]
            ],
            "neurons": core.count,
            "bits": core["bits"],
            "extension": core["extension"],
            "axons": sum(value.type.size for value in core.reads),
            "axons_available": core.axons * core["extension"],
            "dendrites": taken,
            "dendrites_available": available(core),
            "weight_bits": taken * core.axons,
            "use": taken / available(core),
            "wasted": RAM_BITS - taken * core.axons,
            "start": core["start"],
            "ticks": core["ticks"],
        }


def layers(placed: Placed) -> Iterator[dict[str, Any]]:
    """Yield a row per layer, copies together."""
    for name, copies in placed.copies.items():
        used = list(dict.fromkeys(core for layer in copies for core, _, _ in layer.pieces))
        rows = sum(last - first for layer in copies for _, first, last in layer.pieces)
        yield {
            "layer": name,
            "shape": list(copies[0].shape),
            "neurons": copies[0].size,
            "copies": len(copies),
            "records": rows,
            "cores": len(used),
            "bits": max(core["bits"] for core in used),
            "extension": max(core["extension"] for core in used),
            "start": min(core["start"] for core in used),
            "in": [place(core.chip, core.at) for core in used],
        }


def ports(placed: Placed) -> Iterator[dict[str, Any]]:
    """Yield a row per region that an input goes to, and per way out."""
    for item in placed.inputs:
        for core, mask, mine in item.destinations:
            yield {
                "value": item.source.name,
                "way": "in",
                "type": str(item.source.type),
                "at": place(item.chip, core),
                "mask": f"{mask[0]},{mask[1]}",
                "axons": len(mine),
            }
    for output in placed.outputs:
        yield {
            "value": output.name,
            "way": "out",
            "type": str(output.op.result.type),
            "at": place(output.chip, output.core),
            "mask": "0,0",
            "axons": output.layer.size,
        }


def totals(placed: Placed) -> dict[str, Any]:
    """Return sums over all cores."""
    rows = list(cores(placed))
    taken = sum(row["dendrites"] for row in rows)
    most = sum(row["dendrites_available"] for row in rows)
    return {
        "chips": len(placed.chips),
        "cores": len(rows),
        "cores_idle": len(placed.idle),
        "dendrites": taken,
        "dendrites_available": most,
        "use": taken / most if rows else 0.0,
        "wasted": sum(row["wasted"] for row in rows),
    }
