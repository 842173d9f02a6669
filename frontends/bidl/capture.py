"""Capture: a copy of a module of one step, its states made buffers, exported by torch.

The user's module is never changed. It runs once to meet its states, and is then exported with
`strict=False`, as shapes and loops over Python objects in the vendor's networks need; what forward
assigns to buffers comes out as pairs of a buffer and the value it gets. What is exported is the
second step: hooks and branches that reset a layer before the first one have done their work.
"""

import inspect
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from attrs import frozen

from snnc.diagnostics import SnncError, fail, named
from snnc.frontends.bidl import attributes
from snnc.frontends.bidl.state import Slot, declare_ops, is_wrapper, provided, store_class
from snnc.frontends.pytorch.capture import check_mode, copied, quiet
from snnc.frontends.pytorch.origins import raised_at

NETWORK, STORE = "network.", "store."


@frozen(eq=False)
class Captured:
    """An exported program; `flags` names the states by the buffers that hold them.

    `names` are the arguments of forward, `initial` values of states after a reset, `places` says
    where states lie by their flags, `lane` is the axis of the sample that counts lanes.
    """

    program: Any
    flags: Mapping[str, str]
    initial: Mapping[str, Any]
    places: Mapping[str, Mapping[str, int]]
    names: tuple[str, ...]
    lane: int


@frozen
class Form:
    """How layers of BIDL are captured: with the chip's fused ops, with addresses looked up."""

    fit: bool = False
    multinet: bool = False


def capture(network: Any, sample: tuple[Any, ...], form: Form) -> Captured:
    """Return the captured program of a module called with `sample`, which has one lane.

    Raises:
        SnncError: `training-mode`, `sample-shape`, `unsupported-network`, and for states
            `state-twice`, `state-unsaved`, `state-unloaded`, `state-shape`, `state-place`,
            `state-image`.
    """
    import torch

    lane = lane_axis(network)
    check_sample(sample, lane)
    check_mode(network)
    inner, store = prepared(network, form)
    before = attributes.held(inner)
    with running(inner, store):
        buffers = {n: b.detach().clone() for n, b in inner.named_buffers()}
        _call(lambda: step(inner, store, sample), "run")
        found = attributes.changed(inner, before)
        first = _first(network, found, sample, form) if found else {}
        plain = attributes.as_buffers(inner, found, first)
        for name, value in buffers.items():
            if name not in plain:
                inner.get_buffer(name).copy_(value)
        for name, value in store.initial.items():
            setattr(store, name, value.clone())
        whole = _whole(inner, store)
        program = _call(lambda: torch.export.export(whole, sample, strict=False), "export")
        program = _call(lambda: program.run_decompositions({}), "export")
    flags = {f"{STORE}{name}": flag for name, flag in store.flags.items()}
    initial = {f"{STORE}{n}": v for n, v in store.initial.items()}
    initial |= {f"{NETWORK}{n}": v for n, v in plain.items()}
    return Captured(program, flags, initial, store.places, argument_names(network), lane)


def lane_axis(network: Any) -> int:
    """Return the axis of a sample that counts lanes: 0, or what the module says."""
    return int(getattr(network, "batch_axis", 0))


def check_sample(sample: tuple[Any, ...], lane: int) -> None:
    """Refuse a sample that has not one lane.

    Raises:
        SnncError: `sample-shape`.
    """
    for tensor in sample:
        if tensor.ndim <= lane or tensor.shape[lane] != 1:
            raise fail(
                "sample-shape",
                f"the sample is {list(tensor.shape)}; a step is captured for one lane, axis {lane}",
                help="give a sample whose batch axis is 1; a module whose batch axis is not the "
                "first one says batch_axis = 1",
            )


def prepared(network: Any, form: Form) -> tuple[Any, Any]:
    """Return a copy of a network whose wrappers keep their states in a store, and the store."""
    from snnc.frontends.bidl.neurons import Soma

    declare_ops()
    inner, store = copied(network), store_class()()
    store.fit, store.multinet = form.fit, form.multinet
    for path, module in inner.named_modules():
        if isinstance(module, Soma):
            module.path = path
        for name, found in list(vars(module).items()):
            if is_wrapper(found):
                flag = f"{path}.{name}" if path else name
                vars(module)[name] = Slot(store, flag, found.mem.detach().clone())
    return inner, store


@contextmanager
def running(inner: Any, store: Any) -> Iterator[None]:
    """Let a prepared network run with its store."""
    import torch

    with provided(inner, store), warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        yield


def step(inner: Any, store: Any, inputs: tuple[Any, ...]) -> Any:
    """Return what a prepared network gives at one step."""
    made = inner(*inputs)
    store.finish()
    return made


def _first(network: Any, found: Any, sample: tuple[Any, ...], form: Form) -> Any:
    fresh, store = prepared(network, form)
    with running(fresh, store):
        return attributes.read_first(
            fresh, found, lambda: _call(lambda: step(fresh, store, sample), "run")
        )


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
            made = step(self.network, self.store, inputs)
            for module, name, old in before:
                # torch notes changes in place only; a buffer of a part that is replaced is lost.
                if module._buffers[name] is not old:
                    # One value may be kept in several places; torch wants a name for each.
                    old.copy_(module._buffers[name].clone())
                    module._buffers[name] = old
            return made

    return Whole().eval()


def _call(function: Any, what: str) -> Any:
    try:
        with quiet():
            return function()
    except Exception as error:
        if isinstance(error, SnncError):
            raise
        found = error.__cause__
        if isinstance(found, SnncError):
            raise found from error
        lines = str(error).strip().splitlines() or [type(error).__name__]
        place = raised_at(error)
        raise fail(
            "unsupported-network",
            f"torch cannot {what} the step: {type(error).__name__}: {lines[0]}",
            place if place.known else named("forward"),
            help="check the sample's shape; control flow that depends on data has no form here",
        ) from error
