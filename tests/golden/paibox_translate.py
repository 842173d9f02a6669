"""PAIBox networks, as the golden cases describe them, translated into modules of level `int`.

A PAIBox network runs on one global clock t = 1, 2, ...; each neuron node starts at its
`tick_wait_start` and reads its sources through registers of 256 slots. A module has no start times,
only `delay`. The four rules of the translation: an edge reads G global steps back; every node has a
phase, so that its tick k is the global step k + phase + 1; what is left of G is the delay; a node
that starts later than its phase has `first`. A source that stops is read again every 256 steps,
which a relay neuron repeats where the run is long enough to notice.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from snnc.diagnostics import fail, named
from snnc.ir import Builder, Module, Value
from snnc.ir.weights import load_npz
from tests.golden.paibox_authored import lower, unsupported

Array = NDArray[Any]

SLOTS = 256
WIDTH = 30
RESETS = {"MODE_NORMAL": "hard", "MODE_LINEAR": "soft", "MODE_NONRESET": "none"}


class Case(NamedTuple):
    """A network, its input trains `(1, T, *shape)`, and what its neurons do, in the module's ticks.

    `expected` has the spikes of a neuron by its name and its potentials by `NAME.v`, each of shape
    `(1, ticks, neurons)`; a node of phase p has the last T - p of the recorded steps.
    """

    module: Module
    inputs: dict[str, Array]
    expected: dict[str, Array]


@frozen(eq=False)
class Node:
    """A neuron node: its register-level parameters and its place on the global clock."""

    name: str
    shape: tuple[int, ...]
    params: dict[str, Any]
    phase: int = 0

    @property
    def start(self) -> int:
        """Global step of the first update; 0: never."""
        return int(self.params["tick_wait_start"])

    @property
    def end(self) -> int:
        """Last global step of work; 0: no end."""
        ticks = int(self.params["tick_wait_end"])
        return self.start + ticks - 1 if ticks else 0

    @property
    def size(self) -> int:
        """Number of neurons."""
        return int(np.prod(self.shape))


@frozen(eq=False)
class Network:
    """What a case folder holds: inputs by name, working neurons by name, edges between them."""

    name: str
    steps: int
    inputs: dict[str, Array]
    nodes: dict[str, Node]
    idle: tuple[str, ...]
    edges: tuple[dict[str, Any], ...]
    outputs: tuple[str, ...]
    tensors: dict[str, Array] = field(repr=False)
    expected: dict[str, Array] = field(repr=False)


def translate(folder: Path) -> Case:
    """Return the module, inputs and expected behavior of a case folder.

    Raises:
        SnncError: `paibox-unsupported` with the reason.
    """
    return translate_network(read_network(Path(folder)))


def translate_network(network: Network) -> Case:
    """Return the module, inputs and expected behavior of a network."""
    phases = _phases(network)
    module = _Translator(network, phases).module()
    inputs = {name: train[None] for name, train in network.inputs.items()}
    return Case(module, inputs, _expected(network, phases))


def read_network(folder: Path) -> Network:
    """Return the lowered network of a case folder."""
    net = json.loads((folder / "net.json").read_text())
    tensors = dict(load_npz(folder / "arrays.npz"))
    if (folder / "lowered.json").exists():
        lowered = json.loads((folder / "lowered.json").read_text())
        tensors |= load_npz(folder / "lowered.npz")
    else:
        lowered = lower(net)
    records = [folder / f"{name}.npz" for name in ("expected_lowered", "expected")]
    recorded = next((path for path in records if path.exists()), None)
    if recorded is None:
        raise unsupported(folder.name, "PAIBox could not run it, so there is nothing to compare")
    trains = {n["id"]: tensors[n["data"]] for n in net["nodes"] if n["kind"] == "input"}
    inputs = {
        n["id"]: trains[n["id"]].reshape(-1, *n["shape"])
        for n in lowered["nodes"]
        if n["kind"] == "input"
    }
    nodes = {n["id"]: _node(n, tensors) for n in lowered["nodes"] if n["kind"] == "neuron"}
    kernels = {edge["id"]: edge for edge in net["edges"]}
    edges = [{**kernels.get(e["id"], {}), **e} for e in lowered["edges"]]
    for name, train in inputs.items():
        if train.max(initial=0) > 1:
            raise unsupported(name, f"input values up to {train.max()} are not spikes")
    working = {name: node for name, node in nodes.items() if node.start > 0}
    # A network whose every node feeds another has no outputs for PAIBox.
    returned = [name for name in lowered["outputs"] or net["outputs"] if name in working]
    return Network(
        folder.name,
        int(net["T"]),
        inputs,
        working,
        tuple(name for name in nodes if name not in working),
        tuple(e for e in edges if e["dst"] in working and e["src"] in (*inputs, *working)),
        tuple(returned or working),
        tensors,
        dict(load_npz(recorded)),
    )


def _node(given: dict[str, Any], tensors: dict[str, Array]) -> Node:
    params, name = dict(given["params"]), given["id"]
    if "online_mode_en" in params or given["type"].startswith("STDP"):
        raise unsupported(name, "the synapses learn (online core)")
    if given["mode"] != "MODE_SNN" or given["pool_max"]:
        raise unsupported(name, f"{given['mode']} is not a spiking mode")
    if params["thres_mask_bits"] or "MODE_STOCHASTIC" in (
        params["leak_integration_mode"],
        params["syn_integration_mode"],
    ):
        raise unsupported(name, "stochastic thresholds, leaks and weights have no exact meaning")
    if isinstance(params["leak_v"], dict):
        leak = tensors[params["leak_v"]["array"]].ravel()
        size = int(np.prod(given["shape"]))
        params["leak_v"] = np.repeat(leak, size // leak.size).astype(np.int32)
    return Node(name, tuple(given["shape"]), params)


def steps_back(source: Node | None, node: Node) -> int:
    """Return how many global steps back an edge reads; inputs (no source node) are read at once."""
    if source is None:
        return 0
    delay = int(source.params["delay"])
    return 1 + (node.start - source.start + delay - 2) % SLOTS


def _phases(network: Network) -> dict[str, int]:
    """Return the largest phases with phase < start and phase <= phase of a source + steps back."""
    phases = {name: node.start - 1 for name, node in network.nodes.items()}
    phases |= dict.fromkeys(network.inputs, 0)
    changed = True
    while changed:
        changed = False
        for edge in network.edges:
            source, node = network.nodes.get(edge["src"]), network.nodes[edge["dst"]]
            reach = phases[edge["src"]] + steps_back(source, node)
            if reach < phases[node.name]:
                phases[node.name], changed = reach, True
    return phases


def _expected(network: Network, phases: dict[str, int]) -> dict[str, Array]:
    """Return the records of each neuron node from its phase on; before it nothing may happen."""
    found = {}
    for name in (*network.nodes, *network.idle):
        for key, record in ((name, f"spike__{name}"), (f"{name}.v", f"v__{name}")):
            rows = network.expected[record]
            phase = phases.get(name, len(rows))
            if rows[:phase].any():
                raise fail("golden-mismatch", f"{key} is not zero before step {phase + 1}")
            if name in phases:
                found[key] = rows[phase:][None]
    return found


class _Translator:
    """Writes the module of a network."""

    def __init__(self, network: Network, phases: dict[str, int]) -> None:
        self.network, self.phases = network, phases
        self.build = Builder(network.name, "int", {"ticks": network.steps}, loc=named(network.name))
        self.values: dict[str, Value] = {}
        self.relays: dict[str, Value] = {}

    def module(self) -> Module:
        """Return the module; it returns the network's outputs."""
        for name, train in self.network.inputs.items():
            spikes = self.build.input(name, f"u1[{', '.join(map(str, train.shape[1:]))}]~")
            size = int(np.prod(train.shape[1:]))
            flat = len(train.shape) == 2
            self.values[name] = spikes if flat else self.build.op("reshape", spikes, shape=(size,))
        for name, node in self.network.nodes.items():
            self.values[name] = self.build.forward(name, f"u1[{node.size}]~")
        for node in self.network.nodes.values():
            self._neuron(node)
        return self.build.finish(*(self.values[name] for name in self.network.outputs))

    def _neuron(self, node: Node) -> None:
        params = node.params
        currents = [
            self._current(e, node) for e in self.network.edges if e["dst"] == node.name
        ] or [self._nothing(node)]
        x = currents[0] if len(currents) == 1 else self.build.op("add", *currents)
        leak = params["leak_v"]
        made = self.build.op(
            "neuron",
            x,
            name=node.name,
            threshold=params["pos_threshold"],
            reset=RESETS[params["reset_mode"]],
            reset_to=params["reset_v"],
            leak=leak if np.ndim(leak) == 0 else self.build.weight(f"{node.name}.leak", leak),
            leak_order="after" if params["leak_comparison"] == "LEAK_AFTER_COMP" else "before",
            leak_reversal=params["leak_direction"] == "MODE_REVERSAL",
            negative=params["neg_threshold"],
            negative_mode="reset" if params["neg_thres_mode"] == "MODE_RESET" else "floor",
            initial=params["init_v"],
            width=WIDTH,
            overflow="wrap-paibox",
            first=node.start - 1 - self.phases[node.name],
            ticks=params["tick_wait_end"],
        )
        self.build.bind(self.values[node.name], made)

    def _nothing(self, node: Node) -> Value:
        """Return a current of zeros for a node without edges."""
        source = next(iter(self.values.values()))
        zeros = np.zeros((node.size, source.type.size), dtype=np.int8)
        return self.build.op("linear", source, self.build.weight(f"{node.name}.none", zeros))

    def _current(self, edge: dict[str, Any], node: Node) -> Value:
        source = self.network.nodes.get(edge["src"])
        back = steps_back(source, node)
        delay = back - (self.phases[node.name] - self.phases[edge["src"]])
        spikes = self.values[edge["src"]]
        if source is not None and self._reread(source, back):
            spikes = self.build.op("add", spikes, self._relay(source))
        if delay:
            spikes = self.build.op("delay", spikes, by=delay)
        if "connectivity" in edge:
            w = self.network.tensors[edge["connectivity"]].T
            return self.build.op("linear", spikes, self.build.weight(edge["id"], w))
        return self._authored(edge, spikes, source, node)

    def _reread(self, source: Node, back: int) -> bool:
        """Return whether the run sees old slots of a source that has stopped."""
        last = self.network.steps - back
        return bool(source.end) and last > source.end and last - SLOTS >= source.start

    def _relay(self, source: Node) -> Value:
        """Return what is found in the slots of a source after its end: its own past, repeated."""
        name = source.name
        if name not in self.relays:
            again = self.build.forward(f"{name}.relay", f"u1[{source.size}]~")
            past = [self.build.op("delay", v, by=SLOTS) for v in (self.values[name], again)]
            made = self.build.op(
                "neuron",
                self.build.op("add", *past),
                name=f"{name}.relay",
                threshold=1,
                reset="hard",
                width=WIDTH,
                first=source.end - self.phases[name],
            )
            self.build.bind(again, made)
            self.relays[name] = made
        return self.relays[name]

    def _authored(
        self, edge: dict[str, Any], spikes: Value, source: Node | None, node: Node
    ) -> Value:
        """Return the current of an edge that is recorded as authored only."""
        name, kind, args = edge["id"], edge.get("type", "synapse of a module"), edge.get("args", {})
        if set(args) - {"conn_type", "stride", "padding", "dilation", "groups"}:
            raise unsupported(name, f"{kind} {args} is not recorded as a matrix")
        given = edge.get("weights", 1)
        w = self.network.tensors[given["array"]] if isinstance(given, dict) else np.array(given)
        if (kind, args.get("conn_type")) == ("FullConn", "All2All"):
            matrix = np.broadcast_to(w, (spikes.type.size, node.size)).T
            return self.build.op("linear", spikes, self.build.weight(name, matrix))
        if (kind, args.get("conn_type")) == ("FullConn", "One2One"):
            return self.build.op("scale", spikes, self.build.weight(name, w))
        if kind not in ("Conv1d", "Conv2d"):
            raise unsupported(name, f"{kind} {args} is not recorded as a matrix")
        axes = int(kind[4])
        shape = source.shape if source else self.network.inputs[edge["src"]].shape[1:]
        current = self.build.op(
            f"conv{axes}d",
            self.build.op("reshape", spikes, shape=shape),
            self.build.weight(name, w),
            stride=_per_axis(args.get("stride", 1), axes),
            padding=_per_axis(args.get("padding", 0), axes),
            groups=args.get("groups", 1),
        )
        for axis, size in enumerate(node.shape):
            # What a dilation that PAIBox ignores leaves over is cut off.
            if size < current.type.shape[axis]:
                current = self.build.op("slice", current, axis=axis, start=0, stop=size)
        return self.build.op("reshape", current, shape=(node.size,))


def _per_axis(given: Any, axes: int) -> tuple[int, ...]:
    return (given,) * axes if isinstance(given, int) else tuple(given)
