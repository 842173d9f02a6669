"""States in plain attributes: what forward, or a hook before it, assigns to a module between steps.

A layer may keep its potential in an attribute that is a number, None, or a tensor at first, and
that `reset` fills, called by a hook before the first step or by forward itself. Such an attribute
becomes a buffer. Its first value is what the first step reads: the first value other than None that
anybody gets of the attribute, after what a reset has put there.
"""

from collections.abc import Mapping
from typing import Any

from snnc.diagnostics import fail, named

Found = dict[tuple[str, str], Any]
"""Values by the path of a module and the name of an attribute."""


def held(network: Any) -> Found:
    """Return all attributes and buffers that may hold a state, by path and name."""
    return {
        (path, name): value
        for path, module in network.named_modules()
        for values in (vars(module), module._buffers)
        for name, value in values.items()
        if not name.startswith("_") and _simple(value)
    }


def _simple(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value is None or number or hasattr(value, "untyped_storage")


def changed(network: Any, before: Found) -> Found:
    """Return the tensors in attributes that a step has assigned.

    A buffer that keeps its shape is a state already, and not among them.
    """
    import torch

    found: Found = {}
    for key, value in held(network).items():
        old = before.get(key)
        if not isinstance(value, torch.Tensor) or value is old:
            continue
        path, name = key
        module = network.get_submodule(path)
        if name in module._buffers and old is not None and old.shape == value.shape:
            continue
        found[key] = value
    return found


def read_first(network: Any, names: Found, call: Any) -> Found:
    """Return the first value that a step reads of some attributes of a fresh copy; none: no entry.

    `call` runs the step. The copy is changed, and of no further use.
    """
    read: Found = {}
    for path, module in network.named_modules():
        own = [name for at, name in names if at == path]
        if own:
            _watch(path, module, own, read)
    call()
    return read


def _watch(path: str, module: Any, names: list[str], read: Found) -> None:
    cls = type(module)
    # What a class says stands behind what its object lacks.
    box = {name: getattr(cls, name) for name in names if hasattr(cls, name)}
    for name in names:
        for values in (vars(module), module._buffers):
            if name in values:
                box[name] = values.pop(name)

    def watched(name: str) -> property:
        def get(_: Any) -> Any:
            if name not in box:
                raise AttributeError(name)
            value = box[name]
            if value is not None:
                read.setdefault((path, name), value)
            return value

        def put(_: Any, value: Any) -> None:
            box[name] = value

        return property(get, put)

    module.__class__ = type(cls.__name__, (cls,), {name: watched(name) for name in names})


def _uncover(module: Any, name: str) -> None:
    """Let a buffer be found although the class has an attribute of its name."""
    cls = type(module)

    def put(self: Any, value: Any) -> None:
        self._buffers[name] = value

    buffer = property(lambda self: self._buffers[name], put)
    module.__class__ = type(cls.__name__, (cls,), {name: buffer})


def as_buffers(network: Any, after: Found, first: Found) -> Mapping[str, Any]:
    """Make attributes buffers of a network that has done one step; return their first values.

    Keys are the names of the buffers.

    Raises:
        SnncError: `state-shape` for a first value that has not the shape of the state.
    """
    import torch

    initial = {}
    for (path, name), value in after.items():
        module = network.get_submodule(path)
        vars(module).pop(name, None)
        module._buffers.pop(name, None)
        module._buffers[name] = value.detach().clone()
        if hasattr(type(module), name):
            _uncover(module, name)
        label = f"{path}.{name}" if path else name
        start = torch.as_tensor(first.get((path, name), 0.0)).detach().to(value.dtype)
        try:
            initial[label] = start.expand(value.shape).clone()
        except RuntimeError:
            raise fail(
                "state-shape",
                f"state {label!r} begins as {list(start.shape)} and is {list(value.shape)} later",
                named(label),
                help="give it its shape from the start, or one number",
            ) from None
    return initial
