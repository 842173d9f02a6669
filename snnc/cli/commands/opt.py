"""`snnc opt` and `snnc dump`: networks as IR text."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snnc.cli.failures import show_all
from snnc.cli.parameters import Command, Named, calibrating, calibration, front_end, network
from snnc.cli.session import STDIN, Session, read_stdin, refuse_options
from snnc.diagnostics import fail, nearest

if TYPE_CHECKING:
    from snnc.extend.passes import Context
    from snnc.ir.graph import Module

OPT_EXAMPLE = """snnc opt net.snn -p 'clean,quantize{bits=4},shrink-weights'
snnc opt net.snn -p clean | snnc opt - -p infer
snnc opt net.snn -t paicore -p @paicore -o placed.snn"""

DUMP_EXAMPLE = """snnc dump net.snnl
snnc dump net.snnl --level int
snnc dump net.snnl -t paicore --after group --no-locs"""

target = click.option(
    "-t",
    "--target",
    type=Named("targets"),
    metavar="NAME[:VARIANT]",
    help="Target whose own passes and limits are wanted.",
)


output = click.option(
    "-o", "--output", metavar="FILE.snn", default=STDIN, help="Where to write, not stdout."
)


@click.command(cls=Command, name="opt", example=OPT_EXAMPLE)
@click.argument("file", metavar="FILE.snn")
@front_end
@click.option("-p", "--pipeline", metavar="TEXT", default="", help="Passes: 'a{x=1},b,@preset'.")
@target
@output
@click.option(
    "--weights",
    metavar="FILE.safetensors",
    help="Weights that the text names by digest: read with stdin, written with stdout.",
)
@calibrating
@click.option("--check", is_flag=True, help="Execute what each pass promises.")
@click.option("--dump", metavar="DIR", help="Write the network after each pass to a folder.")
@click.option("--no-locs", is_flag=True, help="Leave out where each line comes from.")
@click.pass_obj
def opt(
    session: Session,
    file: str,
    given: Mapping[str, str],
    pipeline: str,
    target: str | None,
    output: str,
    weights: str | None,
    calibrate: str | None,
    calibrate_scale: float | None,
    calibrate_limit: int | None,
    check: bool,
    dump: str | None,
    no_locs: bool,
) -> None:
    """Run passes over a network and print it.

    - is stdin. The text on stdout holds small weights and names others by digest; --weights says
    where those are kept between two runs of a pipe. With -o they stand beside the file.
    """
    from snnc.driver import run_pipeline

    if weights and STDIN not in (file, output):
        raise click.UsageError("--weights is for stdin and stdout; files have theirs beside them")
    if file == STDIN:
        refuse_options("IR text on stdin", given)
        module = read_stdin(Path(weights) if weights else None)
    else:
        module = session.load(file, given)
    data = calibration(module, calibrate, calibrate_scale, calibrate_limit)
    context = _context(session, target, data)
    module = run_pipeline(
        module, pipeline, target, context=context, check=check, dump=dump, plugin=session.plugins
    )
    show_all(context.diagnostics.items)
    _print(module, output, weights, not no_locs)


def _print(module: "Module", output: str, weights: str | None, locs: bool) -> None:
    """Print a module, or write it with its weights beside it; `weights` go with stdout."""
    from snnc.ir.files import is_special, write_atomically
    from snnc.ir.weights import save_tensors
    from snnc.ir.write import write

    text = write(module, locs=locs)
    file = None if output == STDIN or is_special(Path(output)) else Path(output)
    beside = file.with_suffix(".safetensors") if file else weights
    apart = [w.tensor for w in module.weights.values() if not w.tensor.inline]
    if beside is not None and apart:
        save_tensors(Path(beside), apart)
    if output == STDIN:
        click.echo(text, nl=False)
    else:
        write_atomically(Path(output), text.encode())


def _context(
    session: Session,
    target: str | None,
    calibrate: Mapping[str, Any] | None,
) -> "Context":
    """Return the context of the passes."""
    from snnc.driver.pipeline import choose, runner
    from snnc.extend.passes import Context

    return Context(
        hardware=choose(session.registry, target).hardware() if target else {},
        calibration=calibrate,
        run=runner(session.registry),
    )


@click.command(cls=Command, name="dump", example=DUMP_EXAMPLE)
@network
@click.option("--level", metavar="LEVEL", help="Level to print it at: snn, int, or a target's own.")
@click.option(
    "--after", metavar="PASS", help="Print it after this pass; the second clean is clean#2."
)
@target
@output
@click.option("--no-locs", is_flag=True, help="Leave out where each line comes from.")
@click.option("--to", "to", metavar="FILE.nir", help="Write it as a NIR file instead.")
@click.pass_obj
def dump(
    session: Session,
    network: str,
    given: Mapping[str, str],
    level: str | None,
    after: str | None,
    target: str | None,
    output: str,
    no_locs: bool,
    to: str | None,
) -> None:
    """Print a network at any level, or after any pass.

    Weights beyond 64 elements are named by digest; with -o they stand beside the file. Without
    further options the network is printed as its front end reads it. The passes are those that
    compile runs for the target; --level of a target chooses that target.
    """
    module = session.load(network, given)
    if level or after:
        module = _lowered(session, module, level, after, target)
    elif target:
        module = _lowered(session, module, None, None, target)
    if to is None:
        _print(module, output, None, not no_locs)
    else:
        _export(module, Path(to))


def _export(module: "Module", path: Path) -> None:
    """Write a module in the format that the suffix of a file names."""
    from snnc.frontends.nir import save

    if path.suffix != ".nir":
        raise fail(
            "bad-export",
            f"{path.name} is of no format that networks are written in",
            help="end the name in .nir; the IR itself is written by -o FILE.snn",
        )
    save(module, path)


def _lowered(
    session: Session, module: "Module", level: str | None, after: str | None, target: str | None
) -> "Module":
    """Return the module after the passes that lead to a level, or to a pass."""
    from snnc.driver.pipeline import check_levels, choose, plan, run_stages
    from snnc.driver.planning import planned

    registry = session.registry
    if target is None:
        levels = {registry.get_target(name).level: name for name in registry.names("targets")}
        target = levels.get(level or "")
    chosen = choose(registry, target) if target else None
    if chosen:
        stages = planned(registry, chosen, module.level)
    else:
        stages = plan(registry, "@int" if module.level == "snn" else "clean")
    wanted = len(stages)
    if after:
        names = [stage.label for stage in stages]
        if after not in names:
            raise fail(
                "unknown-pass",
                f"pass {after!r} is not among those that run: {', '.join(names)}",
                help=nearest(after, names) if chosen else "name the target of the pass with -t",
            )
        wanted = names.index(after) + 1
    elif level:
        at = [check_levels(stages[:n], module.level) for n in range(len(stages) + 1)]
        if level not in at:
            raise fail(
                "no-such-level",
                f"the network is at level {module.level}; its passes lead to "
                f"{', '.join(dict.fromkeys(at))}, not to {level!r}",
                help=nearest(level, list(dict.fromkeys(at))),
            )
        wanted = len(at) - 1 - at[::-1].index(level)
    context = _context(session, target, None)
    engine = registry.get_engine("reference")
    return run_stages(module, stages[:wanted], context, engine)[-1]
