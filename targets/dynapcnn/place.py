"""Chooses a core for every layer of an `int` network in the form of cores.

The contract: what comes out obeys every rule of `check`. Layers are matched to cores that have the
memory (exactly: if there is a placement it is found), or stand where the user's map says. Where
nothing fits, the error shows every layer against every core with the memory that is missing.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from attrs import evolve, frozen

from snnc.diagnostics import Diagnostics, fail, nearest
from snnc.extend.passes import Context, Exactness, Pass, option
from snnc.ir.graph import Module, Value
from snnc.ir.weights import Array
from snnc.targets.dynapcnn.artifact.assemble import to_module
from snnc.targets.dynapcnn.artifact.records import Core, Destination, Input, Output, Placed, memory
from snnc.targets.dynapcnn.limits import LIMITS, Chip, chip
from snnc.targets.dynapcnn.lowering.network import Layer, Network, read_network
from snnc.targets.dynapcnn.lowering.pixels import pixel_block
from snnc.targets.dynapcnn.lowering.readout import with_readout
from snnc.targets.dynapcnn.mapping.fit import fitting, layer_table, nowhere
from snnc.targets.dynapcnn.mapping.matching import match, tightest
from snnc.targets.dynapcnn.ops import map_of
from snnc.targets.dynapcnn.rules import core_problems, pixel_problems, pool_problems
from snnc.targets.dynapcnn.spread import spread

_ANY = 65535


@frozen
class Place(Pass):
    """Place layers on the cores of a device."""

    name = "place"
    level = "int"
    to = "dynapcnn"
    exactness = Exactness.EXACT

    strategy: str = option(
        "vendor",
        help="vendor: the map that sinabs finds; smallest: the smallest sufficient cores",
        choices=("vendor", "smallest"),
    )

    def run(self, module: Module, context: Context) -> Module:
        """Return the placed module.

        Raises:
            SnncError: `no-core-fits` and `too-few-cores` with a table, `bad-map`, and the codes of
                the rules that a layer breaks (`kernel-size`, `stride-size`, ...).
        """
        network = read_network(module)
        hardware = context.hardware
        return _Placer(network, chip(hardware.get("device", "speck2fmodule")), hardware).place(
            self.strategy, context.diagnostics
        )


class _Placer:
    def __init__(self, network: Network, device: Chip, hardware: Mapping[str, object]) -> None:
        self.network, self.device = network, device
        self.sensor = bool(hardware.get("sensor", False))
        self.through_pixels = bool(hardware.get("pixels", False))
        self.readout = bool(hardware.get("readout", False))
        self.wanted_map = tuple(str(e) for e in hardware.get("map", ()))  # type: ignore[attr-defined]
        self.monitor = tuple(str(e) for e in hardware.get("monitor", ()))  # type: ignore[attr-defined]
        self.device_name = str(hardware.get("device", device.name))

    def place(self, strategy: str, diagnostics: Diagnostics) -> Module:
        layers = self.network.layers
        drafts = [self._draft(layer) for layer in layers]
        if self.readout:
            drafts = with_readout(drafts, self.network, self.device)
        self._check(drafts)
        self.numbers = self._numbers(drafts, strategy)
        pixels = pixel_block(self.network, self.through_pixels, self.sensor, self.numbers)
        problems = Diagnostics()
        if pixels is not None:
            train = next(v for v in self.network.trains if v.name == pixels.input)
            for problem in pixel_problems(pixels, map_of(train.type.shape)):
                problems.error(problem.code, problem.message, train.loc, help=problem.help)
        problems.check(exit_status=4)
        cores = tuple(
            evolve(draft, core=self.numbers[n], destinations=self._sent(layers[n].result))
            for n, draft in enumerate(drafts)
        )
        through = pixels.input if pixels is not None else ""
        placed = Placed(
            self.network.module.name,
            self.network.module.graph.name,
            self.device_name,
            tuple(self._input(v, through) for v in self.network.trains),
            cores,
            tuple(self._output(n) for n in range(len(self.network.outputs))),
            pixels,
        )
        return to_module(self._monitored(placed, diagnostics))

    def _draft(self, layer: Layer) -> Core:
        """Return the record of a layer whose core is not chosen; destinations name layers."""
        sent = [
            Destination(number, part.pool, part.shift)
            for number, reader in enumerate(self.network.layers)
            for part in reader.parts
            if part.source is layer.result
        ]
        drive = layer.drive
        floor = LIMITS.state_low if layer.floor is None else int(layer.floor)
        if layer.floor is None:
            raise fail(
                "no-lower-bound",
                f"%{layer.result.name} has no lower bound, and potentials of a core stop at "
                f"{LIMITS.state_low}",
                layer.loc,
                help=f"give the neurons floor = {LIMITS.state_low}, or a higher one",
            )
        self._check_weights(layer)
        return Core(
            -1,
            layer.result.name,
            layer.result.type.shape,
            layer.spike,
            layer.max_count if layer.spike == "count" else _ANY,
            layer.input,
            layer.output,
            layer.weights.astype(np.int8),
            _or_none(drive),
            _or_none(layer.initial),
            layer.stride,
            layer.padding,
            layer.hard,
            int(layer.threshold),
            floor,
            False,
            tuple(sent),
        )

    def _check_weights(self, layer: Layer) -> None:
        low, high = int(layer.weights.min()), int(layer.weights.max())
        if not -(1 << LIMITS.weight_bits - 1) <= low <= high < 1 << LIMITS.weight_bits - 1:
            raise fail(
                "weight-range",
                f"weights of %{layer.result.name} span {low}..{high}; a synapse holds -128..127",
                layer.loc,
                help="discretize the network, or scale the weights and thresholds of this layer",
            )

    def _check(self, drafts: Sequence[Core]) -> None:
        found = Diagnostics()
        for draft, layer in zip(drafts, self.network.layers, strict=True):
            for problem in core_problems(draft):
                message = f"%{draft.name}: {problem.message}"
                found.error(problem.code, message, layer.loc, help=problem.help)
        for tap in self.network.outputs:
            for problem in pool_problems([tap.first.pool]):
                found.error(problem.code, f"%{tap.value.name}: {problem.message}", tap.value.loc)
        found.check(exit_status=4)

    def _numbers(self, drafts: Sequence[Core], strategy: str) -> dict[int, int]:
        """Return layer -> core; -1 is no layer."""
        fits = [self._fitting(draft) for draft in drafts]
        if self.wanted_map:
            return self._by_user(drafts, fits)
        words = [k + n for k, n in zip(self.device.kernel, self.device.neuron, strict=True)]
        found = match(fits) if strategy == "vendor" else tightest(fits, words)
        if len(found) < len(drafts):
            wider = spread(self.network, self.device, self.through_pixels)
            hint = "" if wider is None else f"--spread places it on {len(wider.layers)} cores"
            raise nowhere(self.device, drafts, fits, self.network.module.loc, hint)
        return found

    def _fitting(self, draft: Core) -> list[int]:
        need = memory(draft.weights.shape, draft.output, draft.bias is not None)
        return fitting(self.device, need)

    def _by_user(self, drafts: Sequence[Core], fits: Sequence[Sequence[int]]) -> dict[int, int]:
        names = {draft.name: n for n, draft in enumerate(drafts)}
        found: dict[int, int] = {}
        for entry in self.wanted_map:
            left, _, right = entry.rpartition(":")
            layer = names.get(left, int(left) if left.isdecimal() else None)
            if layer is None or not right.isdecimal() or layer >= len(drafts) or layer in found:
                raise _bad_map(f"{entry!r} names no layer, or one twice", nearest(left, [*names]))
            found[layer] = int(right)
        missing = [d.name for n, d in enumerate(drafts) if n not in found]
        if missing or len(set(found.values())) < len(found):
            reason = f"it lacks {', '.join(missing)}" if missing else "it names a core twice"
            raise _bad_map(reason, "write LAYER:CORE for every layer, each core once")
        for layer, core in sorted(found.items()):
            if core not in fits[layer]:
                table = layer_table(self.device, drafts)
                reason = f"%{drafts[layer].name} does not fit core {core}"
                raise _bad_map(reason, "choose a core that fits, or give no map", table)
        return found

    def _sent(self, source: Value) -> tuple[Destination, ...]:
        """Return where a train goes: unpooled first, then in the order of layers (as sinabs)."""
        sent = [
            (part.pool, Destination(self.numbers[n], part.pool, part.shift))
            for n, reader in enumerate(self.network.layers)
            for part in reader.parts
            if part.source is source
        ]
        return tuple(to for pool, to in sent if pool == 1) + tuple(
            to for pool, to in sent if pool > 1
        )

    def _input(self, value: Value, through: str) -> Input:
        sent = () if value.name == through else self._sent(value)
        return Input(value.name, str(value.type), sent)

    def _output(self, number: int) -> Output:
        tap = self.network.outputs[number]
        layers = [self.network.number.get(part.source) for part in tap.parts]
        cores = tuple(-1 if layer is None else self.numbers[layer] for layer in layers)
        step = LIMITS.readout_spacing if self.readout else 1
        return Output(tap.value.name, cores, tap.first.pool, tap.value.type.shape, step)

    def _monitored(self, placed: Placed, diagnostics: Diagnostics) -> Placed:
        """Return the chip with what the user and the outputs want reported."""
        names = {c.name: c.core for c in placed.cores}
        ends = {core for o in placed.outputs for core in o.cores}
        wanted: set[int] = set()
        for word in self.monitor:
            if word == "all":
                wanted |= set(names.values()) | ends
            elif word == "dvs":
                if placed.pixels is None:
                    raise _bad_monitor("'dvs' needs the pixel block", "use --sensor true")
                wanted.add(-1)
            elif word in names or (word.isdecimal() and int(word) < len(placed.cores)):
                wanted.add(names[word] if word in names else placed.cores[int(word)].core)
            elif pieces := {n for name, n in names.items() if name.startswith(f"{word}.")}:
                # A layer that was spread over cores, or widened, by its name in the program.
                wanted |= pieces
            elif word == "-1":
                wanted |= ends
            else:
                raise _bad_monitor(f"{word!r} is no layer", nearest(word, [*names, "all", "dvs"]))
        cores = tuple(evolve(c, monitor=c.core in wanted) for c in placed.cores)
        pixels = placed.pixels
        if pixels is not None:
            pixels = evolve(pixels, monitor=-1 in wanted)
        outputs = tuple(evolve(o, seen={*o.cores} <= wanted) for o in placed.outputs)
        for output in outputs:
            if not output.seen:
                diagnostics.warn(
                    "output-unseen",
                    f"%{output.name} is not among the layers to monitor; the chip reports none of "
                    "its events",
                    self.network.module.loc,
                    help="add -1 to --monitor, which stands for the outputs",
                )
        return evolve(placed, cores=cores, pixels=pixels, outputs=outputs)


def _or_none(array: Array | None) -> Array | None:
    return None if array is None or not array.any() else array


def _bad_map(reason: str, help: str, notes: Sequence[str] = ()) -> Exception:
    return fail("bad-map", f"the map of layers to cores: {reason}", help=help, notes=notes)


def _bad_monitor(reason: str, help: str) -> Exception:
    return fail("bad-monitor", f"the layers to monitor: {reason}", help=help)
