"""Modules by BIDL's names while a file of a user's is read: its imports find what is written anew.

A file that imports `layers.lif` or `utils.globals` needs no BIDL, and finds none: our layers stand
there instead. Packages that a user has under the names of BIDL's folders (`utils`, `layers`) stay
as they are. When the file has been read, everything is as before.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from snnc.frontends.bidl import fit, state
from snnc.frontends.bidl.capture import Form

Names = Mapping[str, Any]


def _firing() -> Any:
    import torch

    class Firing:
        """What BIDL's surrogates compute without gradients."""

        @staticmethod
        def apply(x: Any) -> Any:
            """Return 1 where x > 0."""
            return torch.gt(x, 0.0).to(x.dtype)

    return Firing


def _globals(form: Form) -> Names:
    flags: dict[str, Any] = {"ON_APU": True, "FIT": form.fit, "MULTINET": form.multinet, "MODE": 0}
    return {
        "_init": lambda: None,
        "get_value": flags.get,
        "set_value": lambda name, value: flags.update({name: value}),
    }


def _layers(*names: str) -> Names:
    from snnc.frontends.bidl import attention, layers, neurons

    places = (layers, neurons, attention)
    return {n: next(getattr(p, n) for p in places if hasattr(p, n)) for n in names}


_KERNELS = ("load", "save", "load_kernel", "save_kernel", "rand")
MODULES: Mapping[str, Callable[[Form], Names]] = {
    "layers.lif": lambda _: _layers("Lif", "Lif1d", "Lif2d", "FcLif", "Conv2dLif"),
    "layers.lifplus": lambda _: _layers(
        "LifPlus", "LifPlus1d", "LifPlus2d", "FcLifPlus", "Conv2dLifPlus"
    ),
    "layers.temporal_aggregation": lambda _: _layers("Aggregation"),
    "layers.time_distributed": lambda _: _layers("TimeDistributed"),
    "layers.attention": lambda _: _layers("TCJA", "TemporalWiseAttention"),
    "layers.gradient_approx": lambda _: {
        f"ThreshAct{kind}Grad": _firing() for kind in ("Rectangle", "Gaussian", "Sigmoid", "Poly")
    },
    "lynadapter.warp_load_save": lambda _: {n: state.VENDOR[n] for n in _KERNELS},
    "wrap_load_save": lambda _: {n: state.VENDOR[n] for n in _KERNELS},
    "custom_op_in_lyn.custom_op_load_save": lambda _: {n: state.VENDOR[n] for n in _KERNELS},
    "utils.globals": _globals,
}
"""What stands for modules of BIDL and of the vendor's tutorial."""

PREFIX = "bidlcls."
"""Older files import everything from this package."""


class _Finder(MetaPathFinder, Loader):
    """Finds the stand-ins before anything else, and their packages where there are no others."""

    def __init__(self, form: Form) -> None:
        self.form = form
        self.packages = {PREFIX[:-1]} | {n.partition(".")[0] for n in MODULES if "." in n}
        self.packages |= {PREFIX + name for name in self.packages}

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a module comes from, None for what is not ours."""
        if name.removeprefix(PREFIX) in MODULES:
            return ModuleSpec(name, self)
        if name in self.packages and PathFinder.find_spec(name, path) is None:
            return ModuleSpec(name, self, is_package=True)
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Put names into a module."""
        make = MODULES.get(module.__name__.removeprefix(PREFIX))
        vars(module).update(make(self.form) if make else {})


@contextmanager
def standing(form: Form) -> Iterator[None]:
    """Let imports of BIDL's modules find ours."""
    fit.declare()
    finder, known, paths = _Finder(form), dict(sys.modules), list(sys.path)
    mine = {n for n in known if n.removeprefix(PREFIX) in MODULES}
    for name in mine:
        del sys.modules[name]
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [*sys.modules]:
            spec = getattr(sys.modules[name], "__spec__", None)
            if spec is not None and spec.loader is finder:
                del sys.modules[name]
        sys.modules.update({name: known[name] for name in mine})
        sys.path[:] = paths
