"""Where the cores of a build go: a row per layer beside its lower bound, and the tiles it is in."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from snnc.cli.paicore.tables import place
from snnc.cli.printing import counted, show_table
from snnc.cli.session import Session
from snnc.diagnostics import SnncError
from snnc.targets.paicore.artifact.side import graph
from snnc.targets.paicore.placed import Core, Idle, Layer, Place, Placed
from snnc.targets.paicore.reports.bounds import Bound, bounds, total
from snnc.targets.paicore.reports.traffic import Address, Reach, links

if TYPE_CHECKING:
    from snnc.driver import Build
    from snnc.ir.graph import Module


def mapping(session: Session, build: "Build", placed: Placed) -> dict[str, Any]:
    """Return totals, cores by PAIBox's names, and a row per layer.

    Without the program in the build there are no bounds: they are the network's, not a mapping's.
    """
    found = _bounds(session, build)
    covered = coverage(placed)
    idle = _idle_of(placed, covered)
    rows = [
        _row(name, copies, found.get(name), covered, idle.get(name, 0))
        for name, copies in in_time(placed).items()
    ]
    least = total(found) if found else None
    totals = {
        "n_core_required": len(placed.cores),
        "n_core_occupied": len(placed.cores) + len(placed.idle),
        "inherent_timestep": graph(placed, placed.chips)["inherent_timestep"],
        "bound": least,
        "required_by_bound": len(placed.cores) / least if least else None,
    }
    return {"totals": totals, "layers": rows, "multicasts": list(multicasts(placed))}


def multicasts(placed: Placed) -> Iterator[dict[str, Any]]:
    """Yield a row per core or input and region that it sends to, with the links of a frame."""
    reach = Reach(placed)
    sent = [(place(core.chip, core.at), core.place, reach.of_core(core)) for core in placed.cores]
    given = [(item.source.name, None, reach.of_input(item)) for item in placed.inputs]
    for name, source, regions in (*given, *sent):
        for to, senders in regions:
            if to is not None:
                yield {
                    "from": name,
                    "to": place(to.chip, to.base),
                    "mask": f"{to.mask[0]},{to.mask[1]}",
                    "senders": len(senders),
                    "cores": len(to.places),
                    "cores_used": len(to.used),
                    "links_by_level": list(links(source, to)),
                }


def in_time(placed: Placed) -> dict[str, list[Layer]]:
    """Return the copies of each layer, layers that start early first."""
    starts = {name: layers[0].pieces[0][0]["start"] for name, layers in placed.copies.items()}
    return {name: placed.copies[name] for name in sorted(starts, key=starts.__getitem__)}


def _bounds(session: Session, build: "Build") -> Mapping[str, Bound]:
    try:
        module = build.module
    except SnncError as error:
        if error.code != "build-without-program":
            raise
        return {}
    return bounds(scheduled(session, module, build.manifest))


def scheduled(session: Session, module: "Module", manifest: Mapping[str, Any]) -> "Module":
    """Return the program of a build as its mapper got it, with all starts."""
    from snnc.driver.pipeline import choose, last_approximation, plan, run_stages
    from snnc.extend.passes import Context

    registry = session.registry
    variant = f":{manifest['variant']}" if manifest["variant"] else ""
    chosen = choose(registry, manifest["target"] + variant, manifest["options"])
    stages = plan(registry, manifest["pipeline"], chosen)
    end = next((n for n, stage in enumerate(stages, 1) if stage.step.name == "schedule"), 0)
    left = stages[last_approximation(stages) : end]
    context = Context(hardware=chosen.hardware())
    return run_stages(module, left, context, registry.get_engine("reference"))[-1]


def coverage(placed: Placed) -> dict[Place, set[Address]]:
    """Return which destinations reach each core that is configured."""
    reach = Reach(placed)
    both: tuple[Core | Idle, ...] = (*placed.cores, *placed.idle)
    found: dict[Place, set[Address]] = {core.place: set() for core in both}
    regions = [to for core in placed.cores for to, _ in reach.of_core(core) if to is not None]
    regions += [to for item in placed.inputs for to, _ in reach.of_input(item)]
    for to in dict.fromkeys(regions):
        for at in to.places:
            found[at].add((to.chip, to.base, to.mask))
    return found


def _idle_of(placed: Placed, covered: Mapping[Place, set[Address]]) -> dict[str, int]:
    """Return how many empty cores lie in regions of each layer, each counted once."""
    owner: dict[Address, str] = {}
    for layer in placed.layers:
        for core, _, _ in layer.pieces:
            for address in covered[core.place]:
                owner.setdefault(address, layer.of)
    found: dict[str, int] = {}
    rank = {name: n for n, name in enumerate(placed.copies)}
    for empty in placed.idle:
        names = {owner[address] for address in covered[empty.place] if address in owner}
        if names:
            first = min(names, key=rank.__getitem__)
            found[first] = found.get(first, 0) + 1
    return found


def _row(
    name: str,
    copies: Sequence[Layer],
    bound: Bound | None,
    covered: Mapping[Place, set[Address]],
    idle: int,
) -> dict[str, Any]:
    cores = list(dict.fromkeys(core for layer in copies for core, _, _ in layer.pieces))
    return {
        "layer": name,
        "neurons": copies[0].size,
        "fan_in": bound.fan_in if bound else None,
        "bits": sorted({core["bits"] for core in cores}),
        "extension": sorted({core["extension"] for core in cores}),
        "tiles": len({frozenset(covered[core.place]) for core in cores}),
        "regions": len(set().union(*(covered[core.place] for core in cores))),
        "copies": len(copies),
        "stored": sum(layer.size for layer in copies),
        "required": len(cores),
        "occupied": len(cores) + idle,
        "bound": bound.cores if bound else None,
        "bound_by_memory": bound.by_memory if bound else None,
    }


def _cell(value: Any) -> Any:
    return f"{value:,}" if isinstance(value, int) else value


def show_mapping(found: Mapping[str, Any]) -> None:
    """Print what `mapping` returned."""
    names = list(found["layers"][0])
    show_table(
        [name.replace("_", " ") for name in names],
        [[_cell(value) for value in row.values()] for row in found["layers"]],
        "\nMapping",
    )
    totals = found["totals"]
    bound = totals["bound"]
    required = totals["n_core_required"]
    shared = required < sum(row["required"] for row in found["layers"])
    click.echo(
        f"  n_core_required {required:,}{' (layers share cores)' if shared else ''}, "
        f"n_core_occupied {totals['n_core_occupied']:,}, "
        f"inherent_timestep {totals['inherent_timestep']}; "
        + (
            f"every mapping needs {counted(bound, 'core')} or more, this one "
            f"{totals['required_by_bound']:.3f} times as many"
            if bound
            else "bounds need the network, which this build was passed on without"
        )
    )
