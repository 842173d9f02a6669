"""`snnc doctor`: everything about an installation that a report of a problem needs."""

import platform
import sys
from importlib import metadata
from typing import Any

import click

from snnc.cli.parameters import Command, as_json
from snnc.cli.printing import counted, show_json, show_pairs, show_table

CORE = ("numpy", "attrs", "lark", "networkx", "click", "rich", "safetensors")
OPTIONAL = {
    "llvmlite": "the native engine",
    "torch": "networks of PyTorch",
    "h5py": "NIR files",
    "matplotlib": "reports",
}
VARIABLES = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "SNNC_THREADS",
    "SNNC_CACHE",
    "SNNC_CPU",
    "PYTHONHASHSEED",
    "NO_COLOR",
)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def versions() -> dict[str, Any]:
    """Return versions of everything that matters, None for what is not installed."""
    import os

    import snnc

    return {
        "snnc": snnc.__version__,
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": platform.system(),
        "machine": platform.machine(),
        "processors": os.cpu_count(),
        "packages": {name: _version(name) for name in CORE},
        "optional": {name: _version(name) for name in OPTIONAL},
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
    }


def machine_code() -> dict[str, Any]:
    """Return which instructions machine code may use, and where it is kept; empty without any."""
    import os
    from pathlib import Path

    from snnc.diagnostics import SnncError
    from snnc.machine import installed, store

    if not installed():
        return {}
    from snnc.machine.paths import available, choose

    try:
        path = choose().name
    except SnncError:
        path = None
    folder = store.cache_folder()
    there = [p for p in (folder, *folder.parents) if p.exists()] if folder else [Path(os.devnull)]
    keeps = there[0].is_dir() and os.access(there[0], os.W_OK)
    entries, size = store.held(folder) if folder else (0, 0)
    return {
        "path": path,
        "available": list(available()),
        "cache": str(folder) if folder else None,
        "cache_writable": keeps,
        "cache_entries": entries,
        "cache_bytes": size,
        "cache_limit": store.LIMIT,
    }


def _shown(code: dict[str, Any]) -> str:
    if not code:
        return "none: llvmlite is missing, or does not load"
    path = code["path"] or "SNNC_CPU names none of them"
    size, limit = code["cache_bytes"] / (1 << 20), code["cache_limit"] >> 20
    filled = f"{size:.1f} of {limit} MB in {counted(code['cache_entries'], 'object')}"
    kept = f"kept in {code['cache']} ({filled})" if code["cache_writable"] else "kept nowhere"
    return f"{path} (of {', '.join(code['available'])}), {kept}"


def plugins(files: tuple[str, ...]) -> list[dict[str, str]]:
    """Return the plugins: whose they are, what they bring, or why they fail."""
    from snnc.builtins import PLUGIN
    from snnc.diagnostics import SnncError
    from snnc.extend.registry import GROUP, KINDS, Registry

    found = []
    for point in sorted(metadata.entry_points(group=GROUP), key=lambda p: p.name):
        found.append({"plugin": point.name, "from": point.value, "state": "installed"})
    for file in files:
        try:
            registry = Registry(PLUGIN, [file], installed=False)
            brings = []
            for kind, name in ((k, n) for k in KINDS for n in registry.names(k)):
                if registry.entry(kind, name).origin.module is not None:
                    registry.import_entry(kind, name)
                    brings.append(name)
            state = "brings " + (", ".join(brings) or "nothing")
        except SnncError as error:
            state = f"fails: {error.diagnostics[0].message}"
        found.append({"plugin": file, "from": "--plugin", "state": state})
    return found


@click.command(cls=Command, name="doctor", example="snnc doctor --json > doctor.json")
@as_json
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> int:
    """Versions, packages, plugins and settings, for a report.

    Exit status 1 if a package that snnc needs is missing, or a plugin fails.
    """
    from snnc.cli.session import Session

    session = ctx.find_object(Session)
    assert session is not None
    found = versions()
    found["machine_code"] = machine_code()
    found["settings"] = session.settings.file
    found["plugins"] = plugins(session.plugins)
    missing = [name for name, version in found["packages"].items() if version is None]
    failing = [p["plugin"] for p in found["plugins"] if p["state"].startswith("fails")]
    healthy = not missing and not failing
    if as_json:
        show_json({**found, "healthy": healthy})
        return 0 if healthy else 1
    click.secho(f"snnc {found['snnc']}", bold=True)
    show_pairs(
        {
            "python": f"{found['implementation']} {found['python']} ({sys.executable})",
            "system": f"{found['system']} {found['machine']}, {found['processors']} processors",
            "machine code": _shown(found["machine_code"]),
            "settings": found["settings"] or "no snnc.toml, no [tool.snnc]",
            **found["variables"],
        },
        "  ",
    )
    rows = [(n, v or "missing", "needed") for n, v in found["packages"].items()]
    rows += [(n, v or "not installed", OPTIONAL[n]) for n, v in found["optional"].items()]
    show_table(("package", "version", "for"), rows, "\nPackages")
    show_table(
        ("plugin", "from", "state"),
        [tuple(p.values()) for p in found["plugins"]],
        "\nPlugins",
        "  none",
    )
    click.echo("\nall is well" if healthy else f"\nto repair: {', '.join(missing + failing)}")
    return 0 if healthy else 1
