"""Capture: a copy of the user's network, its neuron layers made opaque, exported by torch.

The user's network is never changed: not its state, not its mode, not its gradients. What torch
cannot export is refused with the module and the line where it happened.
"""

import copy
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from typing import Any

from attrs import frozen

from snnc.diagnostics import SnncError, fail
from snnc.frontends.pytorch.norse import State
from snnc.frontends.pytorch.origins import defined_at, module_of, raised_at
from snnc.frontends.pytorch.purity import check_numbers_kept, check_program, numbers_kept
from snnc.frontends.pytorch.registry import recognize
from snnc.frontends.pytorch.sites import Site, declare_ops


@frozen(eq=False)
class Capture:
    """An exported program with the sites of its opaque layers, by path."""

    program: Any
    sites: dict[str, Site]


def plain(network: Any) -> Any:
    """Return the module itself where torch wrapped it, as `torch.compile` does.

    Raises:
        SnncError: `unsupported-network` for compiled scripts, which have no modules of Python.
    """
    import torch

    inner = getattr(network, "_orig_mod", network)
    if isinstance(inner, (torch.jit.ScriptModule, torch.jit.ScriptFunction)):
        raise fail(
            "unsupported-network",
            f"a {type(inner).__name__} of torch.jit keeps no states that can be told apart",
            help="give the module that was scripted or traced",
        )
    return inner


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
                defined_at(network, path),
                help="call network.eval() first: dropout and batch norm act otherwise in training",
            )


def check_numbers(network: Any) -> None:
    """Refuse weights that are not float32, whose sums torch rounds otherwise."""
    import torch

    for path, tensor in [*network.named_parameters(), *network.named_buffers()]:
        if tensor.is_floating_point() and tensor.dtype != torch.float32:
            raise fail(
                "unsupported-network",
                f"{path} is {str(tensor.dtype).removeprefix('torch.')}; networks are read in "
                "float32",
                defined_at(network, path.rpartition(".")[0]),
                help="call network.float() first, and see that it still does its work",
            )


def capture(network: Any, samples: Sequence[Any], options: dict[str, Any]) -> Capture:
    """Return the captured program of a network that is called with `samples`.

    Raises:
        SnncError: `unsupported-layer`, `unsupported-network`, `training-mode`.
    """
    import torch

    with quiet():
        declare_ops()
    inner = copied(network)
    reset(inner)
    sites: dict[str, Site] = {}
    for path, module in list(inner.named_modules()):
        if options.get("single_crossing"):
            module.__dict__["snnc_single_crossing"] = True
        found = recognize(module, path, defined_at(network, path))
        if found is not None:
            site, forward = found
            sites[site.path] = site
            module.forward = forward
    wrapped = _wrapper(inner)
    try:
        with warnings.catch_warnings(), torch.no_grad(), quiet():
            warnings.simplefilter("ignore")
            program = torch.export.export(wrapped, tuple(samples), strict=False)
    except Exception as error:
        raise _refused(error, inner, network, samples) from error
    check_program(program)
    return Capture(program, sites)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what torch says about other devices, and its own traces where it fails."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(disabled)


def _wrapper(inner: Any) -> Any:
    import torch

    class Whole(torch.nn.Module):  # type: ignore[misc]
        """The network, with the states that it returns left out."""

        def __init__(self) -> None:
            super().__init__()
            self.network = inner

        def forward(self, *inputs: Any) -> Any:
            before = numbers_kept(self.network)
            result = self.network(*inputs)
            check_numbers_kept(before, numbers_kept(self.network))
            check_states(result)
            return without_states(result)

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


def check_states(result: Any, holder: str = "") -> None:
    """Refuse a state of Norse with tensors that are not of the layers that are recognized."""
    import torch

    if isinstance(result, torch.Tensor) and holder:
        raise fail(
            "unsupported-network",
            f"forward hands on a {holder}, a state that no recognized layer keeps",
            help="write the feedback in forward, around recurrent layers such as LIFRecurrentCell",
        )
    if isinstance(result, State):
        return
    inside = holder or (type(result).__name__ if _is_state(result) else "")
    if isinstance(result, (list, tuple)):
        for part in result:
            check_states(part, inside)


def _is_state(result: Any) -> bool:
    return type(result).__module__.partition(".")[0] == "norse"


def _refused(error: Exception, inner: Any, network: Any, samples: Sequence[Any]) -> Exception:
    """Return the error for a network that torch cannot export, or that its sample does not fit."""
    if isinstance(error, SnncError):
        return error
    text = str(error).strip().splitlines()
    reason = text[0] if text else type(error).__name__
    data = "data-dependent" in str(error) or "GuardOnDataDependent" in type(error).__name__
    path, place = module_of(error, inner), raised_at(error)
    where = f"{path} of the network" if path else "the network"
    loc = place if place.known else defined_at(network, path)
    if not data and not _runs(network, samples):
        shown = ", ".join(str(list(x.shape)) for x in samples)
        return fail(
            "sample-shape",
            f"{where} does not run on the sample {shown}: {type(error).__name__}: {reason}",
            loc,
            help="give the input of one call of the network, with its batch axis",
        )
    return fail(
        "unsupported-network",
        f"torch cannot export {where}: {type(error).__name__}: {reason}",
        loc,
        help="control flow and shapes that depend on data have no form on a chip: take them out of "
        "forward"
        if data
        else "write forward with functions of torch on tensors",
    )


def _runs(network: Any, samples: Sequence[Any]) -> bool:
    """Whether a network runs on its sample without being captured."""
    import torch

    own = copied(network)
    reset(own)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            own(*(x.clone() for x in samples))
    except Exception:  # whatever a user's forward raises
        return False
    return True
