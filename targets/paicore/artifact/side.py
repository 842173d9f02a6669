"""The vendor's JSON files beside the frames: their contents, from a placed module.

Schemas are those of the vendor's tool (paicore.md, section 6.11): keys, order and meaning. An input
whose elements go to several groups of cores has lists for the address, as for the axons. What else
it has no word for gets a suffix: further ways of one input are `x#1`, `x#2`; the pieces of an
output on two chips with equal coordinates `(x,y)#1`; further copies of a layer, and outputs that
are returned again, `name#1`. An input whose readers begin late has `first`, their tick: the host
leaves out what comes before, and counts slots from there. The same functions serve to write a build
and, on reading one, to see that its files agree.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from snnc.extend.json_text import Style
from snnc.targets.paicore.chip.core import Coordinate
from snnc.targets.paicore.chip.frames import REGISTER, linear
from snnc.targets.paicore.placed import Core, Idle, Output, Placed, malformed

Json = dict[str, Any]

CORE_PARAMS = "core_params.json"
INPUTS = "input_proj_info.json"
OUTPUTS = "output_dest_info.json"
GRAPH = "graph_info.json"
PLACES = "neuron_phy_loc.json"

STYLE = Style(indent=2)
"""How the vendor writes them; there is no line end at the end."""


def key(place: Coordinate) -> str:
    """Return a coordinate as the vendor writes it in keys.

    >>> key((0, 31))
    '(0,31)'
    """
    return f"({place[0]},{place[1]})"


def core_params(placed: Placed) -> Json:
    """Return the registers of the used cores, by chip and core."""
    content: Json = {key(chip): {} for chip in dict.fromkeys(c.chip for c in placed.cores)}
    for number, core in enumerate(placed.cores):
        found = core.register
        fields = {
            f.vendor: linear(*found.test_chip) if f.name == "test_chip" else getattr(found, f.name)
            for f in REGISTER.fields
        }
        content[key(core.chip)][key(core.at)] = {
            **fields,
            "n_repeat_nram": found.copies,
            "name": f"OfflineCorePlacement_{number}",
        }
    return content


def _destination(chip: Coordinate, core: Sequence[Any], mask: Sequence[Any]) -> Json:
    return {
        "addr_chip_x": chip[0],
        "addr_chip_y": chip[1],
        "addr_core_x": core[0],
        "addr_core_y": core[1],
        "addr_core_x_ex": mask[0],
        "addr_core_y_ex": mask[1],
    }


def numbered(name: str, taken: Mapping[str, Any]) -> str:
    """Return `name`, or `name#1`, `name#2` ... where it is taken."""
    found, number = name, 0
    while found in taken:
        number += 1
        found = f"{name}#{number}"
    return found


def inputs(placed: Placed) -> Json:
    """Return how each input reaches each of its regions; `lcn` is the axon extension L."""
    content: Json = {}
    for item in placed.inputs:
        core, mask = [n.tolist() for n in item.core], [n.tolist() for n in item.mask]
        if len(item.destinations) == 1:
            core, mask = map(list, item.destinations[0][:2])
        name = numbered(item.source.name, content)
        content[name] = {
            **_destination(item.chip, core, mask),
            "tick_relative": item.slot.tolist(),
            "addr_axon": item.axon.tolist(),
            "lcn": item.extension,
        }
        if item.first:
            content[name]["first"] = item.first
    return content


def outputs(placed: Placed) -> Json:
    """Return, for each output and producing core, where its spikes arrive, in local order."""
    content: Json = {}
    for output in sorted(placed.outputs, key=lambda o: o.node):
        content[numbered(output.name, content)] = _output(placed, output)
    return content


def _output(placed: Placed, output: Output) -> Json:
    content: Json = {}
    for core, first, last in output.layer.pieces:
        rows = slice(core.row + first, core.row + last)
        content[numbered(key(core.at), content)] = {
            **_destination(output.chip, output.core, (0, 0)),
            "tick_relative": placed.tables["slot"][rows].tolist(),
            "addr_axon": placed.tables["axon"][rows].tolist(),
        }
    return content


def _told(placed: Placed) -> Mapping[str, tuple[int, int, int]]:
    given: Any = placed.module.attrs.get("flows", {})
    flows: list[Any] = list(given.values()) if isinstance(given, Mapping) else [()]
    for flow in flows:
        whole = isinstance(flow, tuple) and all(type(n) is int for n in flow)
        if not whole or len(flow) != 3:
            raise malformed(
                f"the module's flows are {given!r}, not three numbers for each output",
                placed.module.loc,
            )
    return dict(given)


def clock_enables(placed: Placed) -> Json:
    """Return the 8 bytes, by chip, that let the clocks of the used clusters of 4 x 4 cores run.

    Cluster 8 x + y is bit 7 - y of byte x (paicore.md, section 5.5).
    """
    content: Json = {}
    for chip in placed.chips:
        both: tuple[Core | Idle, ...] = (*placed.cores, *placed.idle)
        used = {core.at for core in both if core.chip == chip}
        on = {(x >> 2, y >> 2) for x, y in used}
        content[key(chip)] = [sum(0x80 >> y for x, y in on if x == byte) for byte in range(8)]
    return content


def graph(placed: Placed, chips: tuple[Coordinate, ...], clocks: bool = False) -> Json:
    """Return the summary; cores occupied are those configured, `chips` the ones to choose from.

    With `clocks`, it says which clusters of cores need their clock.

    The module's attribute `flows` tells of outputs of which not every tick counts: the first tick
    that does, the ticks from one to the next, and how many there are.
    """
    starts = {o.name: o.layer.pieces[0][0] for o in sorted(placed.outputs, key=lambda o: o.node)}
    told = _told(placed)
    flows = {n: told.get(n, (0, 1, core["ticks"])) for n, core in starts.items()}
    first = {name: core["start"] + flows[name][0] for name, core in starts.items()}
    return {
        "name": f"graph_of_{placed.module.name}",
        "inherent_timestep": min(first.values(), default=0),
        "output_flow_format": {
            name: {
                "t_1st_vld": first[name],
                "interval": interval,
                "n_vld": count,
                "is_local_time": False,
            }
            for name, (_, interval, count) in flows.items()
        },
        "n_core_required": len(placed.cores),
        "n_core_occupied": len(placed.cores) + len(placed.idle),
        "misc": {
            **({"clk_en_L2": clock_enables(placed)} if clocks else {}),
            "target_chip_list": [linear(*chip) for chip in chips],
        },
    }


def neuron_places(placed: Placed) -> Json:
    """Return where each layer's records lie; `idx_offset` is the first neuron's place."""
    content: Json = {}
    for layer in placed.layers:
        where: Json = {}
        done = 0
        for core, first, last in layer.pieces:
            repeat = core.register.copies
            where.setdefault(key(core.chip), {})[key(core.at)] = {
                "n_neuron": last - first,
                "addr_offset": first * repeat,
                "interval": repeat,
                "idx_offset": done,
            }
            done += last - first
        content[numbered(layer.of, content)] = where
    return content


CHECKED: dict[str, Callable[[Placed], Json]] = {
    CORE_PARAMS: core_params,
    INPUTS: inputs,
    OUTPUTS: outputs,
    PLACES: neuron_places,
}
"""Files whose contents follow from the placed module alone."""
