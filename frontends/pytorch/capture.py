"""Capture: a copy of the user's network, its neuron layers made opaque, exported by torch.

The user's network is never changed: not its state, not its mode, not its gradients. What torch
cannot export is refused with the module and the line where it happened.
"""

import copy
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import define, frozen

from snnc import diagnostics
from snnc.diagnostics import UNKNOWN, Location, at, fail, named
from snnc.extend.foreign import blame
from snnc.frontends.pytorch.norse import State
from snnc.frontends.pytorch.registry import recognize
from snnc.frontends.pytorch.sites import Site, declare_ops


@frozen(eq=False)
class Capture:
    """An exported program with the sites of its opaque layers, by path."""

    program: Any
    sites: dict[str, Site]


def copied(network: Any) -> Any:
    """Return a deep copy; tensors that hang on a gradient are copied by value.

    The copy is made from what modules hold, not by a `__deepcopy__` of theirs: that of sinabs
    fails for recurrent layers.
    """
    import torch

    memo: dict[int, Any] = {}
    shells = [(m, object.__new__(type(m))) for m in network.modules()]
    memo.update((id(module), shell) for module, shell in shells)

    def keep(value: Any) -> None:
        if isinstance(value, torch.Tensor) and not value.is_leaf:
            memo[id(value)] = value.detach().clone()
        elif isinstance(value, dict):
            for inner in value.values():
                keep(inner)

    for module in network.modules():
        keep({**vars(module), **module._buffers})
        keep(vars(module).get("_memories", {}))
    for module, shell in shells:
        vars(shell).update(copy.deepcopy(vars(module), memo))
    return memo[id(network)].cpu()


def reset(network: Any) -> None:
    """Bring every layer with a state back to its beginning, as its framework does."""
    for module in network.modules():
        for name in ("reset_states", "reset_mem", "reset"):
            function = getattr(module, name, None)
            if callable(function) and recognize_top(module):
                function()
                break


def recognize_top(module: Any) -> bool:
    """Whether a module's class, or one it extends, is of a framework that has states."""
    tops = {c.__module__.partition(".")[0] for c in type(module).__mro__}
    return bool(tops & {"sinabs", "snntorch", "spikingjelly"})


def check_mode(network: Any) -> None:
    """Refuse a network in training mode, where dropout and batch norm mean something else."""
    for path, module in network.named_modules():
        if module.training:
            raise fail(
                "training-mode",
                f"{path or 'the network'} ({type(module).__name__}) is in training mode",
                named(path or "network"),
                help="call network.eval() first: dropout and batch norm act otherwise in training",
            )


def check_numbers(network: Any) -> None:
    """Refuse weights that are not float32, whose sums torch rounds otherwise."""
    import torch

    for path, tensor in network.named_parameters():
        if tensor.dtype != torch.float32:
            raise fail(
                "unsupported-network",
                f"{path} is {str(tensor.dtype).removeprefix('torch.')}; networks are read in "
                "float32",
                named(path),
                help="call network.float() first, and see that it still does its work",
            )


def capture(network: Any, sample: Sequence[Any], options: dict[str, Any]) -> Capture:
    """Return the captured program of a network that is called with `sample`.

    Raises:
        SnncError: `unsupported-layer`, `unsupported-network`, `training-mode`.
    """
    import torch

    with _quiet():
        declare_ops()
    inner = copied(network)
    reset(inner)
    sites: dict[str, Site] = {}
    for path, module in list(inner.named_modules()):
        if options.get("single_crossing"):
            module.__dict__["snnc_single_crossing"] = True
        found = recognize(module, path)
        if found is not None:
            site, forward = found
            sites[site.path] = site
            module.forward = forward
    wrapped = _wrapper(inner)
    try:
        with warnings.catch_warnings(), torch.no_grad(), _quiet():
            warnings.simplefilter("ignore")
            program = torch.export.export(wrapped, tuple(sample), strict=False)
    except Exception as error:
        raise _refused(error) from error
    return Capture(program, sites)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what torch logs about tools of other devices while it exports."""
    logger = logging.getLogger("torch._library.triton")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _wrapper(inner: Any) -> Any:
    import torch

    class Whole(torch.nn.Module):  # type: ignore[misc]
        """The network, with the states that it returns left out."""

        def __init__(self) -> None:
            super().__init__()
            self.network = inner

        def forward(self, *inputs: Any) -> Any:
            return without_states(self.network(*inputs))

    whole = Whole()
    whole.training = inner.training
    return whole


def without_states(result: Any) -> Any:
    """Return what a network gives as a flat tuple, without the states that Norse hands on."""
    import torch

    if isinstance(result, torch.Tensor):
        return (result,)
    if isinstance(result, State) or result is None or _is_state(result):
        return ()
    if isinstance(result, dict):
        result = list(result.values())
    if isinstance(result, (list, tuple)):
        return tuple(one for part in result for one in without_states(part))
    raise fail(
        "unsupported-network",
        f"forward returns a {type(result).__name__}",
        help="return a tensor, or a tuple of tensors",
    )


def _is_state(result: Any) -> bool:
    return type(result).__module__.partition(".")[0] == "norse"


@define
class Place:
    """Where a captured op comes from: the module's path, and the user's line."""

    path: str
    loc: Location


def place_of(node: Any) -> Place:
    """Return the module path and the user's line of a captured op."""
    stack = node.meta.get("nn_module_stack") or {}
    paths = [str(entry[0]) for entry in stack.values()]
    path = paths[-1].removeprefix("network").removeprefix(".") if paths else ""
    line = _user_line(node.meta.get("stack_trace") or "")
    return Place(path, line if line.known else named(path) if path else UNKNOWN)


_PACKAGE = Path(diagnostics.__file__).parent
_NOT_USER = ("site-packages", "importlib", str(_PACKAGE), str(Path(__file__).resolve().parent))


def _user_line(trace: str) -> Location:
    """Return the innermost line of a stack that is in the user's own code."""
    found = UNKNOWN
    for line in trace.splitlines():
        text = line.strip()
        if text.startswith('File "'):
            file, _, rest = text[6:].partition('", line ')
            number = rest.partition(",")[0]
            foreign = file.startswith("<") or any(part in file for part in _NOT_USER)
            if number.isdigit() and not foreign:
                found = at(_shown(file), int(number))
    return found


def _shown(file: str) -> str:
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except ValueError:
        return file


def _refused(error: Exception) -> Exception:
    from snnc.diagnostics import SnncError

    if isinstance(error, SnncError):
        return error
    text = str(error).strip().splitlines()
    reason = text[0] if text else type(error).__name__
    data = "data-dependent" in str(error) or "GuardOnDataDependent" in type(error).__name__
    return fail(
        "unsupported-network",
        f"torch cannot export the network: {type(error).__name__}: {reason}",
        blame(error),
        help="control flow that depends on data has no form on a chip: take it out of forward"
        if data
        else "check the sample's shape and type: forward must run on it",
    )
