"""The front end of PAIBox networks: `file.py:build` returns one, or it is handed over as it is."""

from collections.abc import Mapping
from typing import Any

from snnc.diagnostics import fail, nearest
from snnc.ir.graph import Module

OPTIONS = ("steps",)


class Paibox:
    """Reads networks of PAIBox 1.3 and of the facade `guide`.

    Option `steps=N`: what PAIBox's simulation of N steps shows, its defects included; without it,
    what the chip does.
    """

    name = "paibox"
    suffixes: tuple[str, ...] = ()

    def accepts(self, source: Any) -> bool:
        """Whether an object is a PAIBox network, by its class path."""
        from snnc.frontends.paibox.objects import NETWORK, is_a

        return hasattr(type(source), "paibox_network") or is_a(source, NETWORK)

    def read(self, source: Any, options: Mapping[str, Any]) -> Module:
        """Return the module of level `int` of a network; its outputs feed no other neurons.

        Raises:
            SnncError: `unknown-option`, and all that a network may be refused for.
        """
        from snnc.frontends.paibox.numbers import integer
        from snnc.frontends.paibox.objects import network_of
        from snnc.frontends.paibox.translate import translate

        for name in options:
            if name not in OPTIONS:
                raise fail(
                    "unknown-option",
                    f"a PAIBox network takes no option {name!r}",
                    help=nearest(name, OPTIONS),
                )
        given = options.get("steps", 0)
        text = isinstance(given, str) and given.isdigit()
        steps = integer(int(given) if text else given, "steps", 0)
        describe = getattr(source, "paibox_network", None)
        network = describe() if describe is not None else network_of(source, steps > 0)
        return translate(network, steps)
