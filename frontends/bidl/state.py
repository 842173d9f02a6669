"""States of a module that is one time step: kept beside it while it is captured.

A module keeps its state in one of these ways, and each becomes a buffer that forward changes:
a wrapper with `get` and `set` (the tutorial's), `load` and `save` by a flag (BIDL's), a buffer of
its own that forward assigns, or a plain attribute (`attributes.py`). A state is loaded once and
saved once in a step.

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
from snnc.frontends.pytorch.origins import called_at

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
            self.places: dict[str, dict[str, int]] = {}
            self.fit, self.multinet = False, False
            self.initial: dict[str, Any] = {}
            self.pending: dict[str, Any] = {}
            self.loaded: list[str] = []
            self.lines: dict[tuple[str, str], Location] = {}

        def named(self, flag: str) -> str:
            """Return a flag without what differs from run to run."""
            if flag not in self.plain:
                self.plain[flag] = plain_flag(flag, self.plain)
            return self.plain[flag]

        def load(self, flag: str, initial: Any, place: Mapping[str, int] | None = None) -> Any:
            """Return a state as it was before the step; `initial` is its value after a reset."""
            if flag in self.loaded:
                text = f"state {flag!r} is loaded twice in one step"
                raise fault("state-twice", text, before=self.lines["load", flag])
            self.loaded.append(flag)
            self.lines["load", flag] = called_at()
            self.places[flag] = dict(place or {})
            names = {known: name for name, known in self.flags.items()}
            if flag not in names:
                names[flag] = f"s{len(self.flags)}"
                self.flags[names[flag]] = flag
                self.register_buffer(names[flag], initial.detach().clone())
                self.initial[names[flag]] = initial.detach().clone()
            return getattr(self, names[flag]).clone()

        def save(self, flag: str, value: Any, place: Mapping[str, int] | None = None) -> None:
            """Keep a value for the next step."""
            if flag in self.pending:
                text = f"state {flag!r} is saved twice in one step"
                raise fault("state-twice", text, before=self.lines["save", flag])
            self.pending[flag] = value
            self.lines["save", flag] = called_at()
            before = self.places.get(flag, dict(place or {}))
            odd = [n for n, held in before.items() if (place or {}).get(n, 0) != held]
            if odd:
                text = f"load and save of state {flag!r} differ in {', '.join(odd)}"
                help = "give both the same offset, step, uselookup, mode and group_id"
                raise fault("state-place", text, help, before=self.lines["load", flag])

        def finish(self) -> None:
            """Make what was saved the state, after checking that everything is a pair."""
            for flag in [*self.loaded, *self.pending]:
                if flag not in self.pending:
                    text = f"state {flag!r} is loaded and never saved"
                    raise fault("state-unsaved", text, at=self.lines["load", flag])
                if flag not in self.loaded:
                    text = f"state {flag!r} is saved and never loaded"
                    raise fault("state-unloaded", text, at=self.lines["save", flag])
            names = {known: name for name, known in self.flags.items()}
            for flag, value in self.pending.items():
                old = getattr(self, names[flag])
                if old.shape != value.shape or old.dtype != value.dtype:
                    text = f"state {flag!r} is loaded as {_kind(old)} and saved as {_kind(value)}"
                    raise fault("state-shape", text, at=self.lines["save", flag])
                old.copy_(value)
            self.pending, self.loaded = {}, []

    return Store


PAIR = "give each state a flag of its own, one load, and one save of the same shape"


def fault(
    code: str,
    message: str,
    help: str = PAIR,
    at: Location | None = None,
    before: Location | None = None,
) -> SnncError:
    """Return the error for a state that is not loaded and saved once each, as one thing."""
    notes = [f"the other place is {before}"] if before is not None and before.known else []
    return fail(code, message, at or called_at(), notes=notes, help=help)


def _kind(value: Any) -> str:
    return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"


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
            called_at(),
            help="for training, keep the state in an attribute; see docs/lynxi.md",
        )
    return _ACTIVE[-1]


def plain_flag(flag: str, known: Mapping[str, str]) -> str:
    """Return a flag without what differs from run to run: `v<uuid>` becomes `v.0`."""
    held, number = _UUID.sub("", flag).strip("._-"), len(known)
    if held == flag:
        return flag
    while f"{held or 'state'}.{number}" in {*known, *known.values()}:
        number += 1
    return f"{held or 'state'}.{number}"


def fitting() -> bool:
    """Whether neurons are captured with the chip's fused ops."""
    return bool(_ACTIVE) and bool(_ACTIVE[-1].fit)


def shared() -> bool:
    """Whether states are captured with addresses that are looked up at run time (MULTINET)."""
    return bool(_ACTIVE) and bool(_ACTIVE[-1].multinet)


def cut(x: Any, name: str) -> Any:
    """Return x; while a network is captured, a slice of it ends here and x gets the name."""
    import torch

    if not _ACTIVE:
        return x
    declare_ops()
    return torch.ops.snnc_step.cut(x, name)


def _place(flag: str, **said: Any) -> dict[str, int]:
    """Return where a state lies, as `load` or `save` says it.

    Raises:
        SnncError: `state-place` for what has no meaning that is described.
    """
    place = {name: int(value or 0) for name, value in said.items()}
    if place["mode"] not in MODES:
        text = f"state {flag!r} has mode {place['mode']}"
        raise fault("state-place", text, "modes are 0 (chosen), 1 (on the chip), 2 (in DDR)")
    if place["offset"] or place["step"]:
        text = f"state {flag!r} is read in part: offset {place['offset']}, step {place['step']}"
        raise fault("state-place", text, "load and save whole states")
    return place


MODES = (0, 1, 2)


def load(
    data: Any,
    flag: str,
    is_init: Any = True,
    shape: Any = (),
    dtype: str = "float32",
    offset: int = 0,
    step: int = 0,
    uselookup: Any = False,
    mode: Any = 0,
    group_id: int = 0,
    init_zero_use_data: Any = None,
    init_one_use_data: Any = None,
) -> Any:
    """Return the state of a flag; `data`, or zeros or ones like a value, is its first value.

    Raises:
        SnncError: `state-place`, `state-image` for a state without a first value.
    """
    import torch

    store = _active()
    initial = data
    if init_zero_use_data is not None:
        initial = torch.zeros_like(init_zero_use_data)
    if init_one_use_data is not None:
        initial = torch.ones_like(init_one_use_data)
    if not is_init or not hasattr(initial, "shape"):
        raise fail(
            "state-image",
            f"state {store.named(flag)!r} is loaded without a first value "
            f"(is_init = {bool(is_init)}, shape = {list(shape)}, dtype = {dtype!r})",
            called_at(),
            help="give the value after a reset, or init_zero_use_data with a value of the shape",
        )
    place = _place(
        store.named(flag),
        offset=offset,
        step=step,
        uselookup=uselookup,
        mode=mode,
        group_id=group_id,
    )
    return store.load(store.named(flag), initial, place)


def save(
    data: Any,
    flag: str,
    offset: int = 0,
    step: int = 0,
    isOutput: Any = False,
    uselookup: Any = False,
    mode: Any = 0,
    group_id: int = 0,
) -> Any:
    """Keep a value as the state of a flag; return it.

    Raises:
        SnncError: `state-place`.
    """
    store = _active()
    if isOutput:
        text = f"state {store.named(flag)!r} is saved as an output"
        raise fault("state-place", text, "return the value from forward, and save it as well")
    place = _place(
        store.named(flag),
        offset=offset,
        step=step,
        uselookup=uselookup,
        mode=mode,
        group_id=group_id,
    )
    store.save(store.named(flag), data, place)
    return data


RANDOM_MODES = {"HW_RANDOM": 0, "FOLLOW_SEED": 1, 0: 0, 1: 1}


def rand(x: Any, size: Any, uInitValue: int = 0, mode: Any = 0) -> Any:
    """Return float16 draws in [0, 1) of a size; x gives no value.

    The vendor's function takes no notice of `uInitValue` either.

    Raises:
        SnncError: `random-mode`.
    """
    import torch

    if mode not in RANDOM_MODES:
        known = ", ".join(map(str, RANDOM_MODES))
        raise fail("random-mode", f"rand is called with mode = {mode!r}", help=f"give {known}")
    declare_ops()
    return torch.ops.snnc_step.rand(x, [int(n) for n in size], RANDOM_MODES[mode])


@cache
def declare_ops() -> Any:
    """Declare the ops that draw and that end a slice, once per process; return their library."""
    import torch

    library = torch.library.Library("snnc_step", "FRAGMENT")
    library.define(
        "rand(Tensor x, int[] size, int mode) -> Tensor", tags=torch.Tag.nondeterministic_seeded
    )

    def draw(x: Any, size: Any, mode: int) -> Any:
        return torch.rand(size).to(torch.float16)

    def shape_of(x: Any, size: Any, mode: int) -> Any:
        return torch.empty(size, dtype=torch.float16)

    library.impl("rand", draw, "CPU")
    torch.library.register_fake("snnc_step::rand", shape_of, lib=library)
    library.define("cut(Tensor x, str name) -> Tensor")
    library.impl("cut", lambda x, name: x.clone(), "CompositeExplicitAutograd")
    torch.library.register_fake("snnc_step::cut", lambda x, name: torch.empty_like(x), lib=library)
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
