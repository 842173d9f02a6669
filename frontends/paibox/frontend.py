"""The front end of PAIBox networks: `file.py:build` returns one, or it is handed over as it is."""

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from snnc.diagnostics import fail, nearest
from snnc.extend.options import declared
from snnc.extend.passes import option
from snnc.ir.graph import Module


@frozen
class Options:
    """What a user may say about a network of PAIBox."""

    steps: int = option(
        0, help="show what PAIBox's simulation of so many steps shows; 0: what the chip does"
    )
    encode: bool = option(False, help="make encoders of inputs part of the module")


class Paibox:
    """Reads networks of PAIBox 1.3 and of the facade `guide`.

    Option `steps=N`: what PAIBox's simulation of N steps shows, its defects included; without it,
    what the chip does. Option `encode`: Poisson, latency and periodic encoders of inputs are part
    of the module, which then takes their numbers; without it, inputs are trains of spikes.
    """

    name = "paibox"
    suffixes: tuple[str, ...] = ()
    Options = Options

    def accepts(self, source: Any) -> bool:
        """Whether an object is a PAIBox network, by its class path, or a list of some."""
        from snnc.frontends.paibox.objects import is_network

        return hasattr(type(source), "paibox_network") or is_network(source)

    def read(self, source: Any, options: Mapping[str, Any]) -> Module:
        """Return the module of level `int` of a network; its outputs feed no other neurons.

        Raises:
            SnncError: `unknown-option`, and all that a network may be refused for.
        """
        from snnc.frontends.paibox.numbers import integer
        from snnc.frontends.paibox.objects import network_of
        from snnc.frontends.paibox.translate import translate

        known = [one.name for one in declared(Options)]
        for name in options:
            if name not in known:
                raise fail(
                    "unknown-option",
                    f"a PAIBox network takes no option {name!r}",
                    help=nearest(name, known),
                )
        asked = options.get("steps", 0)
        text = isinstance(asked, str) and asked.isdigit()
        steps = integer(int(asked) if text else asked, "steps", 0)
        describe = getattr(source, "paibox_network", None)
        encode = _truth(options.get("encode", False))
        given = describe(encode) if describe else network_of(source, steps > 0, encode)
        return translate(given, steps)


def _truth(given: Any) -> bool:
    if given not in (True, False, "true", "false"):
        raise fail("bad-option", f"encode = {given!r} is no truth value", help="true or false")
    return given in (True, "true")
