"""Rolling loops up again: one expression for all ticks, proven equal to each tick's own."""

from collections.abc import Sequence

from snnc.frontends.pytorch.expr import Expr, Expressions


def unified(exprs: Expressions, ticks: Sequence[Expr]) -> tuple[Expr | None, int]:
    """Return the expression that gives each tick's own one, or None and a tick that differs.

    The last tick's is the candidate: its delays reach into the past, which is zeros at first.
    """
    candidate = ticks[-1]
    for tick, expr in enumerate(ticks):
        if exprs.at(candidate, tick) is not expr:
            return None, tick
    return candidate, 0


def summed(expr: Expr, ticks: int) -> Expr | None:
    """Return x if an expression, at the last tick, is the sum of x over all ticks."""
    terms = expr.args if expr.kind == "add" else (expr,)
    base: dict[Expr, list[int]] = {}
    for term in terms:
        late = term.kind == "delay"
        base.setdefault(term.args[0] if late else term, []).append(term["by"] if late else 0)
    if len(base) == 1:
        (x, delays), *_ = base.items()
        if sorted(delays) == list(range(ticks)):
            return x
    return None
