"""Capture: a copy of a module of one step, its states made buffers, exported by torch.

The user's module is never changed. It runs once to meet its states, and is then exported with
`strict=False`, as shapes and loops over Python objects in the vendor's networks need; what forward
assigns to buffers comes out as pairs of a buffer and the value it gets.
"""

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from snnc.diagnostics import SnncError, fail, named
from snnc.frontends.bidl.state import Slot, declare_rand, is_wrapper, provided, store_class
from snnc.frontends.pytorch.capture import check_mode, copied


@frozen(eq=False)
class Captured:
    """An exported program; `flags` names the states by the buffers that hold them.

    `names` are the arguments of forward, `initial` values of states after a reset.
    """

    program: Any
    flags: Mapping[str, str]
    initial: Mapping[str, Any]
    names: tuple[str, ...]


def capture(network: Any, sample: tuple[Any, ...]) -> Captured:
    """Return the captured program of a module called with `sample`, whose batch axis is 1.

    Raises:
        SnncError: `training-mode`, `sample-shape`, `unsupported-network`, and for states
            `state-twice`, `state-unsaved`, `state-unloaded`, `state-shape`.
    """
    import torch

    for tensor in sample:
        if tensor.ndim == 0 or tensor.shape[0] != 1:
            raise fail(
                "sample-shape",
                f"the sample is {list(tensor.shape)}; a step is captured for one lane",
                help="give a sample whose first axis, the batch, is 1",
            )
    check_mode(network)
    declare_rand()
    inner = copied(network)
    store = store_class()()
    for path, module in inner.named_modules():
        for name, found in list(vars(module).items()):
            if is_wrapper(found):
                flag = f"{path}.{name}" if path else name
                vars(module)[name] = Slot(store, flag, found.mem.detach().clone())
    whole = _whole(inner, store)
    with provided(inner, store), warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        buffers = {n: b.detach().clone() for n, b in inner.named_buffers()}
        _call(lambda: whole(*sample), "run")
        for name, value in buffers.items():
            inner.get_buffer(name).copy_(value)
        for name, value in store.initial.items():
            setattr(store, name, value.clone())
        program = _call(lambda: torch.export.export(whole, sample, strict=False), "export")
        program = _call(lambda: program.run_decompositions({}), "export")
    flags = {f"store.{name}": flag for name, flag in store.flags.items()}
    initial = {f"store.{n}": v for n, v in store.initial.items()}
    return Captured(program, flags, initial, argument_names(network))


def argument_names(network: Any) -> tuple[str, ...]:
    """Return the names of forward's positional arguments."""
    parameters = inspect.signature(network.forward).parameters.values()
    return tuple(
        p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    )


def _whole(inner: Any, store: Any) -> Any:
    import torch

    class Whole(torch.nn.Module):  # type: ignore[misc]
        """The module with its states beside it."""

        def __init__(self) -> None:
            super().__init__()
            self.network, self.store = inner, store

        def forward(self, *inputs: Any) -> Any:
            before = [(m, n, b) for m in self.network.modules() for n, b in m._buffers.items()]
            made = self.network(*inputs)
            self.store.finish()
            for module, name, old in before:
                # torch notes changes in place only; a buffer of a part that is replaced is lost.
                if module._buffers[name] is not old:
                    old.copy_(module._buffers[name])
                    module._buffers[name] = old
            return made

    return Whole().eval()


def _call(function: Any, what: str) -> Any:
    try:
        return function()
    except Exception as error:
        if isinstance(error, SnncError):
            raise
        found = error.__cause__
        if isinstance(found, SnncError):
            raise found from error
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise fail(
            "unsupported-network",
            f"torch cannot {what} the step: {type(error).__name__}: {lines[0]}",
            named("forward"),
            help="check the sample's shape; control flow that depends on data has no form here",
        ) from error
