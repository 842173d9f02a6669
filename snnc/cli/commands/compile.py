"""`snnc compile`: a network becomes a build folder."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from snnc.cli.failures import show_all
from snnc.cli.parameters import (
    DEFAULT_TARGET,
    Named,
    as_json,
    calibration,
    network,
    quantizing,
    rated,
    rating,
)
from snnc.cli.printing import counted, show_json, show_pairs
from snnc.cli.progress import shown
from snnc.cli.session import Session
from snnc.cli.targeting import TargetCommand, chosen_options

if TYPE_CHECKING:
    from snnc.driver import Build

EXAMPLE = """snnc compile net.snnl -t paicore -o build
snnc compile net.snnl -t paicore -o build --use-legacy
snnc compile net.snn -o build --bits 4 --per channel --format bin,npy --check"""


@click.command(cls=TargetCommand, name="compile", example=EXAMPLE)
@network
@click.option(
    "-t",
    "--target",
    type=Named("targets"),
    metavar="NAME[:VARIANT]",
    default=DEFAULT_TARGET,
    show_default=True,
    help="What to compile for.",
)
@click.option("-o", "--output", metavar="DIR", required=True, help="Folder to write the build to.")
@click.option(
    "-p", "--pipeline", metavar="TEXT", help="Passes in place of the target's: 'a{x=1},b,@preset'."
)
@quantizing
@rating
@click.option("--dump", metavar="DIR", help="Write the network after each pass to a folder.")
@click.option(
    "--check", is_flag=True, help="Execute what each pass promises, and verify the build."
)
@click.option(
    "--use-legacy",
    is_flag=True,
    help="Keep the build in -o if it is whole and was made from all the same, else say why not.",
)
@click.option("--report", is_flag=True, help="Show what quantize did to tensors and layers.")
@as_json
@click.pass_context
def command(
    ctx: click.Context,
    /,
    network: str,
    given: Mapping[str, str],
    target: str,
    output: str,
    use_legacy: bool,
    report: bool,
    no_shrink: bool,
    calibrate: str | None,
    calibrate_scale: float | None,
    calibrate_limit: int | None,
    rates: str | None,
    rates_scale: float | None,
    rates_limit: int | None,
    as_json: bool,
    **rest: Any,
) -> None:
    """Compile a network for a target, into a folder.

    NET is a .snn, .snnl or .nir file, file.py:function, or - for IR text on stdin. The folder holds
    the target's files, the program that they equal (model.snn), a README and manifest.json.
    """
    from snnc.diagnostics import Diagnostics
    from snnc.driver import compile as compile_network

    session = ctx.find_object(Session)
    assert session is not None
    _check_apart(output, rest["dump"])
    module = session.load(network, given)
    chosen = chosen_options(ctx, target)
    found = Diagnostics()
    data = calibration(module, calibrate, calibrate_scale, calibrate_limit)
    seen = rated(module, rates, rates_scale, rates_limit)
    with shown(as_json) as progress:
        build = compile_network(
            module,
            target,
            shrink=not no_shrink,
            calibrate=data,
            rates=seen,
            reuse=output if use_legacy else None,
            plugin=session.plugins,
            diagnostics=found,
            progress=progress,
            **rest,
            **chosen,
        )
    show_all(found.items)
    kept = build.folder is not None
    if not kept:
        session.note(f"ran {build.manifest['pipeline']}")
        build.save(output)
    if as_json:
        told = {"kept": kept} if use_legacy else {}
        show_json({"folder": output, **told, **_said(build.manifest, report)})
    else:
        _show(build, output, rest["check"], kept)
        if report:
            _show_report(build.manifest["report"])


def _check_apart(output: str, dump: str | None) -> None:
    """Refuse dumps in the folder of the build, which would then not be replaced by the next one."""
    from pathlib import Path

    if dump is not None:
        place, build = Path(dump).resolve(), Path(output).resolve()
        if build in (place, *place.parents):
            raise click.UsageError("--dump names a folder in that of -o; choose one beside it")


def _said(manifest: Mapping[str, Any], report: bool) -> dict[str, Any]:
    """Return what JSON says of a build: its manifest without the layout, `report` if asked for."""
    silent = ("layout",) if report else ("layout", "report")
    return {key: value for key, value in manifest.items() if key not in silent}


def _show_report(report: Mapping[str, Any]) -> None:
    from snnc.cli.quantization import show_factors, show_layers, show_quantization

    if "discretize" in report:
        show_factors(report["discretize"])
    if "subtractive-leak" in report:
        click.echo("leaks by a factor became constant ones")
        show_layers(report["subtractive-leak"])
    if "quantize" in report:
        show_quantization(report["quantize"])
    elif "discretize" not in report:
        click.echo("nothing to report: the network came as integers")


def _show(build: "Build", output: str, check: bool, kept: bool) -> None:
    from pathlib import Path

    manifest = build.manifest
    variant = f":{manifest['variant']}" if manifest["variant"] else ""
    click.secho(f"@{manifest['name']} for {manifest['target']}{variant}", bold=True)
    found = {k.replace("_", " "): f"{v:,}" for k, v in manifest["resources"].items()}
    found |= {f"latency of {n}": counted(t, "tick") for n, t in manifest["latency"].items()}
    show_pairs(found, "  ")
    if manifest["relies_on"]:
        click.echo("  relies on, unproven on silicon:")
        for item in manifest["relies_on"]:
            click.echo(f"    {item}")
    if check:
        click.echo("  verified: the files, emulated, equal the program at every tick tried")
    size = sum(path.stat().st_size for path in Path(output).rglob("*") if path.is_file())
    files = counted(len(manifest["files"]) + 1, "file")
    click.echo(f"{'kept' if kept else 'wrote'} {output}: {files}, {size / 1e6:,.2f} MB")
