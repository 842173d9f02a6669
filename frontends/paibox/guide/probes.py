"""Probes: which attribute of which part a simulator records."""

from typing import Any

from snnc.diagnostics import fail
from snnc.frontends.paibox.guide.calls import here, strict
from snnc.frontends.paibox.guide.parts import Part


class Probe:
    """Records an attribute of a part at every step."""

    @strict
    def __init__(self, target: Any, attr: str, name: str | None = None) -> None:
        self.loc = here()
        if not isinstance(target, Part):
            raise fail(
                "paibox-probe",
                f"a probe cannot look at a {type(target).__name__}",
                self.loc,
                help="give an input, neurons or synapses",
            )
        target.check_shows(attr)
        self.target, self.attr, self.name = target, attr, name

    def __repr__(self) -> str:
        return f"<Probe of {self.attr} of {self.target!r}>"
