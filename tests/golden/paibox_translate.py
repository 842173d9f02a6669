"""PAIBox networks, as the golden cases describe them, translated into modules of level `int`.

A case says which classes were made with which arguments; the front end's presets, modules and links
make of it what they make of PAIBox's own objects, and its translation is what is compared.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from attrs import evolve
from numpy.typing import NDArray

from snnc.diagnostics import SnncError, fail, named
from snnc.frontends.paibox import links
from snnc.frontends.paibox.clock import phases
from snnc.frontends.paibox.modules import Flow, FunctionalModule, Lowered, Operand, lower
from snnc.frontends.paibox.network import Input, Link, Network, Population, Synapse
from snnc.frontends.paibox.numbers import leaks, per_axis, weights_of
from snnc.frontends.paibox.objects import RESETS
from snnc.frontends.paibox.presets import HINTS, PRESETS, TIMES, neuron, timing
from snnc.frontends.paibox.translate import translate as translate_network
from snnc.ir import Module
from snnc.ir.weights import load_npz

REGISTERS = (
    *("reset_mode", "reset_v", "leak_comparison", "neg_thres_mode", "neg_threshold"),
    *("pos_threshold", "leak_direction", "leak_v", "bit_trunc"),
    *("input_width", "spike_width", "snn_en"),
)
"""What an `OfflineNeuron` of a description may say, besides its times."""

SYNAPSE = (
    *("conn_type", "stride", "padding", "dilation", "groups", "kernel_order", "output_padding"),
)
"""What a synapse of a description may say."""

STOCHASTIC = ("thres_mask_bits", "leak_integration_mode")

Array = NDArray[Any]
Json = dict[str, Any]


class Case(NamedTuple):
    """A network, its input trains `(1, T, *shape)`, and what its neurons do, in the module's ticks.

    `expected` has the spikes of a neuron by its name and its potentials by `NAME.v`, each of shape
    `(1, ticks, neurons)`; a node of phase p has the last T - p of the recorded steps.
    """

    module: Module
    inputs: dict[str, Array]
    expected: dict[str, Array]


def translate(folder: Path) -> Case:
    """Return the module, inputs and expected behavior of a case folder.

    Raises:
        SnncError: `paibox-unsupported` with the reason.
    """
    net = json.loads((folder / "net.json").read_text())
    network = describe(folder.name, net, dict(load_npz(folder / "arrays.npz")))
    return compare(network, trains(folder), records(folder), int(net["T"]))


def trains(folder: Path) -> dict[str, Array]:
    """Return the recorded inputs by name, `(T, *shape)`."""
    net, arrays = json.loads((folder / "net.json").read_text()), load_npz(folder / "arrays.npz")
    nodes = [n for n in net["nodes"] if n["kind"] == "input"]
    return {n["id"]: arrays[n["data"]].reshape(-1, *n["shape"]) for n in nodes}


def records(folder: Path) -> dict[str, Array]:
    """Return what PAIBox's simulation recorded, of the network as authored or else as lowered."""
    for name in ("expected", "expected_lowered"):
        if (folder / f"{name}.npz").exists():
            return dict(load_npz(folder / f"{name}.npz"))
    raise unsupported(folder.name, "PAIBox could not run it (target_chip), nothing to compare with")


def chips(folder: Path) -> dict[str, list[int]]:
    """Return the options of the target that a description asks for, none where they are usual."""
    asked = json.loads((folder / "net.json").read_text()).get("compile", {})
    found = {
        "chip": [n for chip in asked.get("target_chips", [[0, 0]]) for n in chip],
        "output_chip": list(asked.get("output_chip", [1, 0])),
    }
    return {} if found == {"chip": [0, 0], "output_chip": [1, 0]} else found


def compare(
    network: Network, inputs: Mapping[str, Array], recorded: Mapping[str, Array], steps: int
) -> Case:
    """Return the case of a network and of what was recorded of its nodes."""
    module = translate_network(network, steps)
    given = {name: train[None] for name, train in inputs.items()}
    return Case(module, given, _expected(network, recorded))


def unsupported(name: str, reason: str) -> SnncError:
    """Return the refusal of a case."""
    return fail("paibox-unsupported", reason, named(name), help="use a network without it")


def _expected(network: Network, recorded: Mapping[str, Array]) -> dict[str, Array]:
    """Return the records of each neuron node from its phase on; before it nothing may happen."""
    found, starts = {}, phases(network)
    for name in network.nodes:
        for kind, key in (("spike", name), ("v", f"{name}.v")):
            # Modules that PAIBox could simulate only when lowered have a prefix.
            keys = [f"{kind}__{prefix}{name}" for prefix in ("", "nd_", "n0_", "n1_")]
            record = next((recorded[k] for k in keys if k in recorded), None)
            if record is None:
                continue
            phase = starts.get(name, len(record))
            if record[:phase].any():
                raise fail("golden-mismatch", f"{key} is not zero before step {phase + 1}")
            if name in starts:
                found[key] = record[phase:][None]
    return found


def describe(name: str, net: Json, arrays: Mapping[str, Array]) -> Network:
    """Return the network that a description means."""
    return _Reader(net, arrays).network(name)


class _Reader:
    def __init__(self, net: Json, arrays: Mapping[str, Array]) -> None:
        self.net, self.arrays = net, arrays
        self.nodes = {n["id"]: n for n in net["nodes"]}
        self.lowered: dict[str, Lowered] = {}

    def network(self, name: str) -> Network:
        inputs, populations, synapses = [], [], []
        for node in self.net["nodes"]:
            key = node["id"]
            if node["kind"] == "input":
                inputs.append(Input(key, tuple(node["shape"])))
            elif node["kind"] == "module":
                populations += self._module(key).populations
                synapses += self._module(key).synapses
            else:
                populations.append(self._neuron(node))
        made = {n.name: n.shape for n in (*inputs, *populations)}
        synapses += [self._synapse(edge, made) for edge in self.net["edges"]]
        network = Network(name, tuple(inputs), tuple(populations), tuple(synapses))
        working = [o for o in self.net["outputs"] if network.nodes[o].start > 0]
        return evolve(network, outputs=tuple(working))

    def _given(self, value: Any) -> Any:
        return self.arrays[value["array"]] if isinstance(value, dict) else value

    def _neuron(self, node: Json) -> Population:
        args = {k: self._given(v) for k, v in node.get("args", {}).items()}
        if node["type"] == "OfflineNeuron":
            return _registers(node["id"], tuple(node["shape"]), args)
        if node["type"] not in PRESETS:
            raise unsupported(node["id"], f"{node['type']} learns (online core)")
        return neuron(node["type"], node["id"], tuple(node["shape"]), args)

    def _module(self, name: str) -> Lowered:
        if name not in self.lowered:
            node = self.nodes[name]
            args = {k: self._given(v) for k, v in node["args"].items()}
            operands = tuple(self._operand(o) for o in node["operands"])
            self.lowered[name] = lower(FunctionalModule(node["type"], name, operands, args))
        return self.lowered[name]

    def _operand(self, name: str) -> Operand:
        node = self.nodes[name]
        if node["kind"] == "module":
            made = self._module(name)
            shape = next(p.shape for p in made.populations if p.name == name)
            return Operand(name, shape, made.flow)
        return Operand(name, tuple(node["shape"]), Flow() if node["kind"] == "input" else None)

    def _synapse(self, edge: Json, shapes: Mapping[str, tuple[int, ...]]) -> Synapse:
        return Synapse(edge["id"], edge["src"], edge["dst"], self._link(edge, shapes))

    def _link(self, edge: Json, shapes: Mapping[str, tuple[int, ...]]) -> Link:
        kind, args, name = edge["type"], edge.get("args", {}), edge["id"]
        if kind.startswith("STDP"):
            raise unsupported(name, "the synapses learn")
        if set(args) - set(SYNAPSE):
            raise unsupported(name, f"nothing is known of {sorted(set(args) - set(SYNAPSE))}")
        weights = weights_of(self._given(edge.get("weights", 1)), name)
        form = args.get("conn_type", "MatConn" if kind == "MatMul2d" else kind)
        source = shapes[edge["src"]]
        if form == "All2All":
            return links.Dense(weights)
        if form in ("One2One", "Identity"):
            return links.Diagonal(weights)
        if form == "MatConn":
            return links.rows(weights, source)
        axes = int(kind[-2])
        if args.get("kernel_order", "OI").startswith("IO"):
            weights = np.swapaxes(weights, 0, 1)
        stride, padding, extra = (
            per_axis(args.get(key, default), axes, key)
            for key, default in (("stride", 1), ("padding", 0), ("output_padding", 0))
        )
        if "Transpose" in kind:
            return links.Transposed(weights, stride, padding, extra)
        return links.Convolution(weights, stride, padding, args.get("groups", 1), cut=True)


def _registers(name: str, shape: tuple[int, ...], args: Mapping[str, Any]) -> Population:
    if args.get("thres_mask_bits") or args.get("leak_integration_mode"):
        raise unsupported(name, "stochastic thresholds and leaks have no exact meaning")
    known = {key for key in args if key in (*REGISTERS, *TIMES, *HINTS, *STOCHASTIC)}
    if set(args) - known:
        raise unsupported(name, f"no register is known for {sorted(set(args) - known)}")
    reset, negative = args.get("neg_thres_mode", "MODE_RESET"), args.get("neg_threshold", 2**29 - 1)
    return Population(
        name,
        shape,
        threshold=args.get("pos_threshold", 1),
        reset=RESETS[args.get("reset_mode", "MODE_NORMAL")],
        reset_to=args.get("reset_v", 0),
        leak=leaks(args.get("leak_v", 0), shape, "leak_v"),
        leak_order="after" if args.get("leak_comparison") == "LEAK_AFTER_COMP" else "before",
        leak_reversal=args.get("leak_direction") == "MODE_REVERSAL",
        negative=abs(negative),
        negative_mode="reset" if reset == "MODE_RESET" else "floor",
        keeps=bool(args.get("snn_en", True)),
        wide_in=args.get("input_width", 1) == 8,
        wide_out=args.get("spike_width", 1) == 8,
        truncate=args.get("bit_trunc", 8),
        chip=args.get("target_chip", -1),
        **timing(args),
    )
