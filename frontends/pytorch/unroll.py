"""Rolling loops up again: one expression for all ticks, proven equal to each tick's own."""

from collections.abc import Sequence

from snnc.frontends.pytorch.expr import Expr, Expressions


def unified(exprs: Expressions, ticks: Sequence[Expr]) -> tuple[Expr | None, int]:
    """Return the expression that gives each tick's own one, or None and a tick that differs.

    The last tick's is the candidate: its delays reach into the past, which is zeros at first.
    What is done to a state of zeros may be told in two ways, with the delay before it or after; the
    first tick shows which is meant. One expression alone is for all ticks already.
    """
    if len(ticks) == 1:
        return ticks[0], 0
    differs = _first_other(exprs, ticks)
    if differs is None:
        return ticks[-1], 0
    pushed = [exprs.pushed(e) for e in ticks]
    if _first_other(exprs, pushed) is None:
        return pushed[-1], 0
    return None, differs


def _first_other(exprs: Expressions, ticks: Sequence[Expr]) -> int | None:
    for tick, expr in enumerate(ticks):
        if exprs.at(ticks[-1], tick) is not exprs.at(expr, tick):
            return tick
    return None


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
