"""Pass `group`: which populations share a region of cores, and which neurons share a core.

A region is a block of cores that receives frames together (`grouping.py`). One of convolutions or
pools may be cut into tiles, each with the cores that its neurons need (`slicing.py`).

The result stands in `place`: the region's number, its axon extension, and what `hints.py` says.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve, frozen

from snnc.diagnostics import SnncError, fail
from snnc.extend.passes import Context, Exactness, Pass, option
from snnc.ir.graph import Module, Op
from snnc.ir.rewrite import Rebuild, rebuild
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.mapping.grouping import Regions, TooLarge
from snnc.targets.paicore.neurons.populations import Populations
from snnc.targets.paicore.tiling.plan import MULTICAST, PARTITION
from snnc.targets.paicore.tiling.shares import Share

MORE_ROOM, MOST_SLACK = 1.25, 8.0
"""By how much more neurons count where a tile has no room for all of them, and at most."""


@frozen
class Group(Pass):
    """Divide the populations into regions of cores and cores into slices of neurons."""

    name = "group"
    level = "int"
    exactness = Exactness.EXACT
    for_: str = option(
        "both",
        help="fewest ticks of work per core, fewest cores, or both",
        choices=("latency", "cores", "both"),
    )
    multicast: str = option(
        "masks",
        help="cut layers into tiles by any masks, into blocks of cores with copies of what two of "
        "them read, or not at all",
        choices=MULTICAST,
    )

    partition: str = option(
        "auto",
        help="look for tiles of sparse layers by orders of their neurons, by hypergraph "
        "partitioning too, or not at all",
        choices=PARTITION,
    )

    def run(self, module: Module, context: Context) -> Module:
        """Return the module with region, extension, bits and slices on every neuron op."""
        if self.partition == "hypergraph":
            from snnc.targets.paicore.tiling import hypergraph

            hypergraph.tell_if_missing(context.diagnostics)
        populations = Populations.of(module)
        regions, hints = self._hints(populations)
        made = _placed(module, hints)
        if any("codes" in hint for hint in hints.values()):
            from snnc.targets.paicore.mapping.holes import taken
            from snnc.targets.paicore.tiling.sparse import partitions

            whole = self._whole(module, populations)
            if whole is not None and taken(whole) < taken(made):
                return whole
            context.report["partition"] = partitions(regions.plans)
        elif self.multicast == "masks":
            plans = [one for one in regions.plans if one[1].tile]
            holes = [shares for shares, plan in plans if plan.occupied > plan.cores]
            if holes:
                return self._filled(module, regions, made, holes)
        return made

    def _filled(
        self, module: Module, regions: Regions, made: Module, holes: Sequence[Sequence[Share]]
    ) -> Module:
        """Return a module in the way that occupies the fewest cores; some regions leave holes.

        Layers that read only inputs may be taken apart into boxes that lie in holes of others.
        """
        from snnc.targets.paicore.mapping.holes import taken
        from snnc.targets.paicore.tiling.filling import filling

        populations, planner = regions.populations, regions.planner
        leaving = [{share.op for share in shares} for shares in holes]
        ops = [op for op in populations.ops if any(op not in own for own in leaving)]
        boxed = {op: boxes for op in ops if (boxes := filling(planner, op))}
        _, least = taken(made)
        trials = [(False, {}), (True, boxed)] if boxed else [(False, {})]
        for near, apart in trials:
            other = _placed(module, self._hints(populations, near, apart)[1])
            _, cores = taken(other)
            if cores < least:
                made, least = other, cores
        return made

    def _whole(self, module: Module, populations: Populations) -> Module | None:
        """Return the module without tiles of any neurons, None where it does not fit so.

        Layers that share cores take fewer than their plans say, which only packing tells.
        """
        try:
            return _placed(module, evolve(self, partition="off")._hints(populations)[1])
        except SnncError:
            return None

    def _hints(
        self,
        populations: Populations,
        near: bool = True,
        boxed: Mapping[Op, tuple[Share, ...]] | None = None,
    ) -> tuple[Regions, dict[Op, dict[str, Any]]]:
        """Return the regions and the `place` entries; `near` as for `Planner`.

        The layers `boxed` are divided into these shares.

        Where neurons turn out too many for a tile, by copies or widths, more room is left for them.
        """
        tight: dict[Op, float] = {}
        while True:
            regions = Regions(populations, self.multicast, tight, self.partition, near, boxed)
            regions.merge()
            regions.share(self.for_)
            try:
                return regions, regions.hints(self.for_)
            except TooLarge as error:
                if any(tight.get(op, 1.0) > MOST_SLACK for op in error.ops):
                    raise _too_large(error.ops, error.cores) from None
                tight |= {op: tight.get(op, 1.0) * MORE_ROOM for op in error.ops}


def _placed(module: Module, hints: Mapping[Op, Mapping[str, Any]]) -> Module:
    def placed(op: Op, build: Rebuild) -> Any:
        if op.kind != "neuron":
            return None
        return build.copy(op, place={**(op["place"] or {}), **hints[op]})

    return rebuild(module, placed)


def _too_large(ops: Sequence[Op], cores: int) -> Exception:
    names = ", ".join(f"%{op.result.name}" for op in ops)
    return fail(
        "region-too-large",
        f"{names} need {cores} cores in one region; a region has at most "
        f"{LIMITS.routing_group} (half a chip)",
        ops[0].loc,
        exit_status=4,
        help="use fewer weight bits, or split the layer",
    )
