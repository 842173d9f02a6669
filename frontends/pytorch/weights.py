"""Weights and programs from files, without running anything that a file holds.

Checkpoints are `.safetensors`, or files of `torch.save` read with `weights_only=True`, whatever
they are called. A `.pt2` program is read by torch; its tensors are not pickled objects.
"""

from pathlib import Path
from typing import Any

from snnc.diagnostics import fail
from snnc.frontends.pytorch.capture import copied

HELD = ("state_dict", "model_state_dict", "model", "net", "network")
"""Keys under which training scripts save the weights, beside an optimizer's state and counters."""

PREFIXES = ("backbone.", "module.", "_orig_mod.")
"""Parts and wrappers as which a network was saved: of a classifier, in parallel, compiled."""


def load_weights(network: Any, path: Path) -> Any:
    """Return a copy of the network with the weights of a file; every name must fit.

    Potentials that a run has left in the file or the network are states, not weights: where a
    buffer is empty on either side, the network's own stays.

    Raises:
        SnncError: `weights-missing`, `weights-unsafe`, `weights-mismatch`.
    """
    state = _state(path)
    own = copied(network)
    expected = own.state_dict()
    for prefix in PREFIXES:
        if not any(name in state for name in expected):
            part = {n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)}
            state = part or state
    trained = {name for name, _ in own.named_parameters()}
    for name in expected.keys() & state.keys() - trained:
        if not (expected[name].numel() and state[name].numel()):
            state[name] = expected[name]
    missing = [n for n in expected if n not in state]
    extra = [n for n in state if n not in expected]
    wrong = [
        f"{n} is {list(state[n].shape)}, not {list(expected[n].shape)}"
        for n in expected
        if n in state and state[n].shape != expected[n].shape
    ]
    notes = [f"missing: {n}" for n in missing] + [f"unknown: {n}" for n in extra] + wrong
    if notes:
        raise fail(
            "weights-mismatch",
            f"{path} does not fit the network: {len(missing)} missing, {len(extra)} unknown, "
            f"{len(wrong)} of another shape",
            notes=notes[:8],
            help="build the network as it was when the weights were saved",
        )
    try:
        own.load_state_dict(state)
    except RuntimeError as error:
        raise fail(
            "weights-mismatch",
            f"{path} does not fit the network: torch does not take its tensors",
            notes=[line.strip() for line in str(error).splitlines()[:8]],
            help="build the network as it was when the weights were saved",
        ) from error
    return own


def _state(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise fail("weights-missing", f"there is no file {path}", help="check the path")
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return dict(load_file(str(path)))
        except SafetensorError as error:
            raise fail(
                "weights-unsafe",
                f"{path} is not a safetensors file: {error}",
                help="write it with safetensors.torch.save_file(network.state_dict(), path)",
            ) from error
    return _by_name(path, _unpickled(path))


def _unpickled(path: Path) -> Any:
    """Return what a file of torch.save holds, tensors and plain data only."""
    import warnings

    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of forms of pickle that it may not read.
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # A damaged file makes torch raise nearly anything.
        raise fail(
            "weights-unsafe",
            f"{path} holds more than tensors, or is damaged; objects are never loaded from files",
            help="save the weights alone: torch.save(network.state_dict(), path)",
        ) from error


def _by_name(path: Path, loaded: Any) -> dict[str, Any]:
    """Return the tensors of a state dict by name, also of one within a checkpoint."""
    import torch

    if isinstance(loaded, dict):
        held = [key for key in HELD if isinstance(loaded.get(key), dict)]
        loaded = loaded[held[0]] if len(held) == 1 else loaded
    said = f"a {type(loaded).__name__}"
    if isinstance(loaded, dict):
        others = [
            f"{name!r}, a {type(value).__name__}"
            for name, value in loaded.items()
            if not isinstance(name, str) or not isinstance(value, torch.Tensor)
        ]
        if not others:
            return loaded
        said = others[0] + (f", and {len(others) - 1} more" if len(others) > 1 else "")
    raise fail(
        "weights-mismatch",
        f"{path} holds {said}, not tensors by name",
        help="save the weights alone: torch.save(network.state_dict(), path)",
    )


def load_program(path: Path, sample: Any) -> tuple[Any, Any]:
    """Return the network of a `.pt2` program and its sample: the given one, or the file's own.

    Raises:
        SnncError: `program-unreadable`.
    """
    import torch

    if not path.is_file():
        raise fail("source-missing", f"there is no file {path}")
    try:
        program = torch.export.load(path)
    except Exception as error:
        raise fail(
            "program-unreadable",
            f"{path} is not a program of torch.export: {type(error).__name__}: {error}",
            help="write it with torch.export.save(torch.export.export(network, (x,)), path)",
        ) from error
    given = program.example_inputs
    if sample is None and given is not None:
        sample = given[0]
    network = program.module()
    for module in network.modules():
        module.training = False
    return network, sample
