"""States of a module that is one time step: kept beside it while it is captured.

A module keeps its state in one of these ways, and each becomes a buffer that forward changes:
a wrapper with `get` and `set` (the tutorial's), `load` and `save` by a flag (BIDL's), or a buffer
of its own that forward assigns. A state is loaded once and saved once in a step.

Functions of the vendor's that a file does not import (`rand`, `load`, `save`, `load_kernel`,
`save_kernel`) are put into its names while it is captured.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dis import get_instructions
from functools import cache
from typing import Any

from snnc.diagnostics import Location, SnncError, fail

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ACTIVE: list[Any] = []


@cache
def store_class() -> Any:
    """Return the class of stores; a store holds the states of one capture as buffers."""
    import torch

    class Store(torch.nn.Module):  # type: ignore[misc]
        """Buffers `s0`, `s1` ... with their flags; a step loads each once and saves each once."""

        def __init__(self) -> None:
            super().__init__()
            self.flags: dict[str, str] = {}
            self.plain: dict[str, str] = {}
            self.initial: dict[str, Any] = {}
            self.pending: dict[str, Any] = {}
            self.loaded: list[str] = []

        def load(self, flag: str, initial: Any) -> Any:
            """Return a state as it was before the step; `initial` is its value after a reset."""
            if flag in self.loaded:
                raise _fault("state-twice", f"state {flag!r} is loaded twice in one step")
            self.loaded.append(flag)
            names = {known: name for name, known in self.flags.items()}
            if flag not in names:
                names[flag] = f"s{len(self.flags)}"
                self.flags[names[flag]] = flag
                self.register_buffer(names[flag], initial.detach().clone())
                self.initial[names[flag]] = initial.detach().clone()
            return getattr(self, names[flag]).clone()

        def save(self, flag: str, value: Any) -> None:
            """Keep a value for the next step."""
            if flag in self.pending:
                raise _fault("state-twice", f"state {flag!r} is saved twice in one step")
            self.pending[flag] = value

        def finish(self) -> None:
            """Make what was saved the state, after checking that everything is a pair."""
            for flag in [*self.loaded, *self.pending]:
                if flag not in self.pending:
                    raise _fault("state-unsaved", f"state {flag!r} is loaded and never saved")
                if flag not in self.loaded:
                    raise _fault("state-unloaded", f"state {flag!r} is saved and never loaded")
            names = {known: name for name, known in self.flags.items()}
            for flag, value in self.pending.items():
                old = getattr(self, names[flag])
                if old.shape != value.shape or old.dtype != value.dtype:
                    raise _fault(
                        "state-shape",
                        f"state {flag!r} is loaded as {old.dtype} {list(old.shape)} and saved as "
                        f"{value.dtype} {list(value.shape)}",
                    )
                old.copy_(value)
            self.pending, self.loaded = {}, []

    return Store


def _fault(code: str, message: str) -> SnncError:
    return fail(
        code,
        message,
        Location(),
        help="give each state a flag of its own, one load, and one save of the same shape",
    )


class Slot:
    """A state with `get` and `set`, in place of the module's own wrapper."""

    def __init__(self, store: Any, flag: str, initial: Any) -> None:
        self.store, self.flag, self.mem = store, flag, initial

    def get(self) -> Any:
        """Return the state before the step."""
        return self.store.load(self.flag, self.mem)

    def set(self, mem: Any) -> None:
        """Keep a value for the next step."""
        self.store.save(self.flag, mem.clone())


def is_wrapper(found: object) -> bool:
    """Whether an attribute is a wrapper of a state: `get`, `set`, and the tensor `mem`."""
    return (
        not hasattr(found, "named_parameters")
        and callable(getattr(found, "get", None))
        and callable(getattr(found, "set", None))
        and hasattr(getattr(found, "mem", None), "shape")
    )


def capturing() -> bool:
    """Whether a network is being captured."""
    return bool(_ACTIVE)


def _active() -> Any:
    if not _ACTIVE:
        raise fail(
            "no-capture",
            "load and save of a state work while snnc captures a network",
            help="for training, keep the state in an attribute; see docs/lynxi.md",
        )
    return _ACTIVE[-1]


def plain_flag(flag: str, known: Mapping[str, str]) -> str:
    """Return a flag without what differs from run to run: `v<uuid>` becomes `v.0`."""
    held = _UUID.sub("", flag).strip("._-")
    return f"{held or 'state'}.{len(known)}" if held != flag else flag


def load(
    data: Any,
    flag: str,
    *_: Any,
    init_zero_use_data: Any = None,
    init_one_use_data: Any = None,
    **__: Any,
) -> Any:
    """Return the state of a flag; `data`, or zeros or ones like a value, is its first value."""
    import torch

    store = _active()
    initial = data
    if init_zero_use_data is not None:
        initial = torch.zeros_like(init_zero_use_data)
    if init_one_use_data is not None:
        initial = torch.ones_like(init_one_use_data)
    if flag not in store.plain:
        store.plain[flag] = plain_flag(flag, store.plain)
    return store.load(store.plain[flag], initial)


def save(data: Any, flag: str, *_: Any, **__: Any) -> Any:
    """Keep a value as the state of a flag; return it."""
    store = _active()
    store.save(store.plain.get(flag, flag), data)
    return data


def rand(x: Any, size: Any, *_: Any, **__: Any) -> Any:
    """Return float16 draws in [0, 1) of a size; x gives no value."""
    import torch

    declare_rand()
    return torch.ops.snnc_step.rand(x, [int(n) for n in size])


@cache
def declare_rand() -> Any:
    """Declare the op that draws, once per process; return the library that keeps it."""
    import torch

    library = torch.library.Library("snnc_step", "FRAGMENT")
    library.define("rand(Tensor x, int[] size) -> Tensor", tags=torch.Tag.nondeterministic_seeded)

    def draw(x: Any, size: Any) -> Any:
        return torch.rand(size).to(torch.float16)

    def shape_of(x: Any, size: Any) -> Any:
        return torch.empty(size, dtype=torch.float16)

    library.impl("rand", draw, "CPU")
    torch.library.register_fake("snnc_step::rand", shape_of, lib=library)
    return library


VENDOR: Mapping[str, Callable[..., Any]] = {
    "rand": rand,
    "load": load,
    "save": save,
    "load_kernel": load,
    "save_kernel": save,
}
"""Functions of the vendor's packages by the names that networks call them."""


@contextmanager
def provided(network: Any, store: Any) -> Iterator[None]:
    """Let a network's files find the vendor's functions that they do not import."""
    changed: list[tuple[dict[str, Any], str]] = []
    for cls in {type(module) for module in network.modules()}:
        for function in vars(cls).values():
            code = getattr(function, "__code__", None)
            if code is None:
                continue
            names = function.__globals__
            for name in code.co_names:
                if name in VENDOR and name not in names:
                    names[name] = VENDOR[name]
                    changed.append((names, name))
    _ACTIVE.append(store)
    try:
        yield
    finally:
        _ACTIVE.pop()
        for names, name in changed:
            del names[name]


def calls_vendor(network: Any) -> bool:
    """Whether a network's code calls a function of the vendor's for states or draws.

    They are called by bare names that the file does not define: `torch.rand` is not one of them.
    """
    return any(
        step.opname == "LOAD_GLOBAL"
        and step.argval in VENDOR
        and step.argval not in function.__globals__
        for module in network.modules()
        for cls in type(module).__mro__
        if cls.__module__.partition(".")[0] not in ("torch", "builtins")
        for function in vars(cls).values()
        if hasattr(function, "__code__")
        for step in get_instructions(function)
    )
