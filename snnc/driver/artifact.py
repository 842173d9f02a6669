"""The build folder: what is in it, written so that the same input gives the same bytes.

A folder holds the target's files, `model.snn` with its weights, `README.md` and `manifest.json`.
The manifest names every other file with its SHA-256. No timestamp, no absolute path. A folder is
composed elsewhere and renamed into place; an existing one is replaced only if it is empty or
holds nothing but a build of ours.
"""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from snnc.diagnostics import SnncError, fail
from snnc.driver.sources import MANIFEST, MODEL
from snnc.extend.json_text import Style
from snnc.ir.files import write_composed
from snnc.ir.graph import Module
from snnc.ir.weights import packed_tensors
from snnc.ir.write import write

SCHEMA = 1
"""Version of the manifest."""

_KEYS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("name", "target", "variant", "pipeline"), str),
    **dict.fromkeys(("tool", "options", "files", "latency", "resources"), dict),
    "takes": list,
    "max_ticks": (int, type(None)),
}
"""What a manifest must hold for a build to be opened."""

_END = "\n}\n"
"""How the text of a manifest ends."""

WEIGHTS = "model.safetensors"
README = "README.md"


def to_json(value: Any) -> str:
    """Return canonical JSON: sorted keys, fixed separators, ends with a line feed."""
    try:
        return _STYLE.text(value) + "\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise fail(
            "report-not-plain",
            f"the manifest cannot hold what a pass or a target reports: {error}",
            help="report numbers, texts, lists and mappings of these",
        ) from error


def _plain(value: Any) -> Any:
    """Return what JSON has for a numpy number or array, or another mapping."""
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__}")


_STYLE = Style(indent=1, sort_keys=True, plain=_plain)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def module_digest(module: Module) -> str:
    """Return the SHA-256 of a module's text without locations; it covers the weights' digests."""
    return hashlib.sha256(write(module, locs=False).encode()).hexdigest()


def save_model(
    module: Module, folder: Path, names: tuple[str, str] = (MODEL, WEIGHTS)
) -> dict[str, str]:
    """Write a module and its weights; return their names with their SHA-256.

    Locations keep the name of a file, not its folder.
    """
    text, tensors = names
    contents: dict[str, bytes | Iterable[bytes | memoryview]] = {
        text: write(module, folders=False).encode()
    }
    apart = [w.tensor for w in module.weights.values() if not w.tensor.inline]
    if apart:
        contents[tensors] = packed_tensors(apart)
    return {name: write_composed(folder / name, data) for name, data in contents.items()}


def write_manifest(
    folder: Path, manifest: Mapping[str, Any], known: Mapping[str, str]
) -> dict[str, Any]:
    """Write and return the manifest; `files` are all in the folder, some digests are `known`."""
    found = {name: known.get(name) or digest(folder / name) for name in names_in(folder)}
    text = sealed({**manifest, "schema": SCHEMA, "files": found})
    write_composed(folder / MANIFEST, text.encode())
    read: dict[str, Any] = json.loads(text)
    return read


def sealed(manifest: Mapping[str, Any]) -> str:
    """Return the text of a manifest; its last key `seal` is the SHA-256 of the text without it."""
    text = to_json(manifest)
    seal = hashlib.sha256(text.encode()).hexdigest()
    return f'{text[: -len(_END)]},\n "seal": "{seal}"{_END}'


def as_read(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain data as a manifest gives it back: lists for tuples, texts for keys."""
    read: dict[str, Any] = json.loads(to_json(value))
    return read


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a build folder.

    Raises:
        SnncError: `not-a-build`, `build-too-new`, `build-corrupt`.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise fail(
            "not-a-build",
            f"{folder} holds no {MANIFEST}" if folder.is_dir() else f"there is no folder {folder}",
            help="give a folder that snnc compile has written",
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise fail("build-corrupt", f"{path}: {error}", help="compile again") from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("schema"), int):
        raise fail("not-a-build", f"{path} is not a manifest of snnc", help="compile again")
    if manifest["schema"] > SCHEMA:
        raise fail(
            "build-too-new",
            f"{path} has schema {manifest['schema']}, this snnc reads {SCHEMA}",
            help="use a newer snnc, or compile again",
        )
    lacking = [k for k, kind in _KEYS.items() if not isinstance(manifest.get(k, ...), kind)]
    if not lacking:
        longest, takes = manifest["max_ticks"], manifest["takes"]
        if isinstance(longest, bool) or (longest is not None and longest < 0):
            lacking.append("max_ticks")
        if not all(isinstance(name, str) for name in takes):
            lacking.append("takes")
    if lacking:
        raise fail("build-corrupt", f"{path} lacks {', '.join(lacking)}", help="compile again")
    return manifest


def is_as_written(folder: Path, manifest: Mapping[str, Any]) -> bool:
    """Whether the text of a manifest is the one that its seal was made of."""
    text = sealed({key: value for key, value in manifest.items() if key != "seal"})
    return (folder / MANIFEST).read_bytes() == text.encode()


def check_seal(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Raise `build-corrupt` where a manifest was edited; those without a seal are older."""
    if "seal" in manifest and not is_as_written(folder, manifest):
        raise fail(
            "build-corrupt",
            f"{folder / MANIFEST} is not as it was written: its seal is of another text",
            help="compile again; a build is not to be edited",
        )


def check_files(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Raise `build-corrupt` unless every file is there with the digest that the manifest says.

    The program and its weights may be left out, as the chip needs neither.
    """
    for name, expected in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            if name in (MODEL, WEIGHTS):
                continue
            raise fail("build-corrupt", f"{folder} lacks {name}", help="compile again")
        if digest(path) != expected:
            raise fail(
                "build-corrupt",
                f"{name} is not the file that was built: its SHA-256 differs from {MANIFEST}",
                help="compile again; a build is not to be edited",
            )


def names_in(folder: Path) -> list[str]:
    """Return the files of a folder and of those within, by their sorted names from it."""
    root = str(folder)
    found = (f"{place}/{name}" for place, _, names in os.walk(root) for name in names)
    return sorted(path[len(root) + 1 :].replace(os.sep, "/") for path in found)


def publish(source: Path, folder: Path, link: bool = False) -> bool:
    """Copy a composed folder beside `folder`, then rename it into place.

    With `link` the files become names of the same data where the file system has that.

    Returns:
        Whether the two folders share their data.

    Raises:
        SnncError: `output-not-a-folder`, `output-not-ours`, `output-unwritable`.
    """
    folder = folder.resolve()
    _check_ours(folder)
    made = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}")
    old = made.with_name(f"{made.name}.old")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        shared = link and _link(source, made)
        if not shared:
            shutil.copytree(source, made)
            _open_up(made)
        if folder.exists():
            folder.rename(old)
        try:
            made.rename(folder)
        except OSError:
            if old.exists():
                old.rename(folder)
            raise
        return shared
    except OSError as error:
        reason = error.args[0][0][2] if isinstance(error, shutil.Error) else error.strerror
        raise fail(
            "output-unwritable",
            f"cannot write {folder}: {str(reason).partition(': ')[0]}",
            help="choose another folder, or free space",
        ) from error
    finally:
        for path in (made, old):
            if os.path.lexists(path):
                shutil.rmtree(path, ignore_errors=True)


def _link(source: Path, made: Path) -> bool:
    """Give a folder's files second names in a new one; False leaves nothing behind.

    What people may write into is copied.
    """
    try:
        made.mkdir()
        for name in names_in(source):
            if "/" in name:
                (made / name).parent.mkdir(parents=True, exist_ok=True)
            give = shutil.copyfile if name in (MANIFEST, README) else os.link
            give(f"{source}/{name}", f"{made}/{name}")
    except OSError:
        # Another file system, or one without links; what else is wrong, copying tells.
        shutil.rmtree(made, ignore_errors=True)
        return False
    return True


def _open_up(folder: Path) -> None:
    """Give a folder the rights that a plain mkdir gives; the one it is copied from is private."""
    mask = os.umask(0)
    os.umask(mask)
    folder.chmod(0o777 & ~mask)


def _written(folder: Path) -> set[str]:
    """Return the files of the build in a folder, none where there is no build."""
    try:
        return {MANIFEST, *read_manifest(folder)["files"]}
    except SnncError:
        return set()


def _check_ours(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise fail(
            "output-not-a-folder",
            f"{folder} is a file",
            help="give the name of a folder",
        )
    found = names_in(folder)
    if not found:
        return
    known = _written(folder)
    strange = [name for name in found if name not in known]
    if strange:
        more = f" and {len(strange) - 1} more" if len(strange) > 1 else ""
        raise fail(
            "output-not-ours",
            f"{folder} holds {strange[0]}{more}, which no build of snnc has written",
            help="choose another folder, or empty this one",
        )
