"""The README of a build: what it is, what it can be used for, and what it can't."""

from collections.abc import Mapping
from typing import Any


def readme(manifest: Mapping[str, Any], files: tuple[str, ...], program: tuple[str, ...]) -> str:
    """Return the text of a build's README from its manifest, the target's files, the program's."""
    target = manifest["target"]
    variant = f", variant {manifest['variant']}" if manifest["variant"] else ""
    notice = manifest["layout"].get("notice")
    parts = [
        *([f"{notice}\n"] if notice else []),
        f"# {manifest['name']} for {target}{variant}\n",
        f"Built by snnc {manifest['tool']['version']} with the pipeline\n\n"
        f"    {manifest['pipeline']}\n",
        "## What is here\n",
        *(f"- `{name}`" for name in files),
        f"- {', '.join(f'`{name}`' for name in program)}: "
        "the program that these files equal, spike for spike",
        "- `manifest.json`: versions, options, digests of every file, resources, latency\n",
        "## Inputs and outputs\n",
        *_values(manifest),
        "\n## What it can be used for\n",
        f"- Load it on {target}{variant}, with the options that the manifest lists; not on another "
        "variant.",
        _length(manifest),
        "- Run it without a chip: `snnc run DIR -i X.npz -o Y.npz` emulates these files.",
        "- Check it: `snnc verify DIR` emulates these files without the program, and compares "
        "every output at every tick.\n",
        "## What is not known\n",
        *_unproven(manifest),
    ]
    return "\n".join(parts) + "\n"


def _values(manifest: Mapping[str, Any]) -> list[str]:
    lines = [f"- input `{n}`: `{v['type']}`" for n, v in manifest["inputs"].items()]
    for name, encoder in manifest["encoders"].items():
        lines.append(
            f"- `{name}`, which the host makes from `{encoder['of']}` by `{encoder['op']}`"
            if encoder["of"]
            else f"- `{name}`, which the host makes by `{encoder['op']}`"
        )
    for name, value in manifest["outputs"].items():
        late = manifest["latency"].get(name)
        after = "" if late is None else f", {late} tick{'s' * (late != 1)} after its inputs"
        lines.append(f"- output `{name}`: `{value['type']}`{after}")
    if "host" in manifest:
        host = manifest["host"]
        sent, made = (", ".join(f"`{n}`" for n in host[key]) for key in ("reads", "makes"))
        lines.append(
            f"- the chip sends {sent}; {made} the host computes of it, by `{host['file']}` "
            f"({host['ops']}), in real numbers"
        )
    return lines


def _length(manifest: Mapping[str, Any]) -> str:
    longest = manifest["max_ticks"]
    if longest is None:
        return "- Runs of any length: the host sends bursts of ticks and syncs in between."
    return f"- Runs of up to {longest} ticks; beyond them it is not exact."


def _unproven(manifest: Mapping[str, Any]) -> list[str]:
    relied = manifest["relies_on"]
    if not relied:
        return ["It relies on no property of the silicon that is not documented."]
    return [
        "It is exact on the emulator. On silicon it relies on these properties, which no document "
        "or measurement proves:\n",
        *(f"- {item}" for item in relied),
    ]
