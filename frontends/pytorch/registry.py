"""Which layers are recognized: by the top package and the class name, never by importing them.

A user's subclass is recognized where it puts nothing in place of what it inherits.
"""

from collections.abc import Callable, Mapping
from itertools import takewhile
from typing import Any

from snnc.diagnostics import UNKNOWN, Location
from snnc.frontends.pytorch import norse, sinabs, snntorch, spikingjelly
from snnc.frontends.pytorch.sites import Site

Forward = Callable[..., Any]

FRAMEWORKS: Mapping[str, Any] = {
    "sinabs": sinabs,
    "snntorch": snntorch,
    "spikingjelly": spikingjelly,
    "norse": norse,
}
"""Top package of each framework, and our module about it.

Each has LAYERS: class name -> function(module, site) -> forward(x, ...), and STATEFUL: names of
base classes whose other subclasses are refused.
"""


def recognize(module: Any, path: str, place: Location = UNKNOWN) -> tuple[Site, Forward] | None:
    """Return the site of a layer and its forward under capture, or None for any other module.

    `place` is the line that makes the layer, where it is known.

    Raises:
        SnncError: `unsupported-layer` for a layer with a state and no exact form.
    """
    for cls in type(module).__mro__:
        top = cls.__module__.partition(".")[0]
        framework = FRAMEWORKS.get(top)
        if framework is None:
            continue
        kind = f"{top}.{cls.__name__}"
        site = Site(path or "(the whole network)", kind, place=place)
        own = _changed(type(module), cls)
        if cls.__name__ in framework.LAYERS and not own:
            return site, framework.LAYERS[cls.__name__](module, site)
        if cls.__name__ in framework.STATEFUL:
            _refuse(module, site, framework, own)
    return None


_HARMLESS = ("__init__", "__doc__", "__module__", "__qualname__", "__annotations__", "extra_repr")


def _changed(given: type, cls: type) -> tuple[str, ...]:
    """Return what a user's class puts in place of members of the framework's class."""
    own: list[str] = []
    for c in given.__mro__[: given.__mro__.index(cls)]:
        own += [n for n in vars(c) if hasattr(cls, n) and n not in _HARMLESS]
    return tuple(own)


def _refuse(module: Any, site: Site, framework: Any, own: tuple[str, ...]) -> None:
    name = type(module).__name__
    site.kind = f"{type(module).__module__.partition('.')[0]}.{name}"
    users = takewhile(
        lambda c: c.__module__.partition(".")[0] not in FRAMEWORKS, type(module).__mro__
    )
    written = {n for c in users for n in vars(c)}
    own = tuple(n for n in own if n in written)
    help = f"train with another layer of the framework: {', '.join(sorted(framework.LAYERS))}"
    if own and name not in framework.REFUSED:
        why = f"it has a state and its own {', '.join(own)}, whose meaning is not known"
        raise site.refuse(why, help)
    why = framework.REFUSED.get(name, "its neurons have no exact form as snn.neuron")
    raise site.refuse(why, help)
