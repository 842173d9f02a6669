"""The compiled functions of the two emulators, made once per process and kept on disk."""

from functools import cache

from snnc.machine import store
from snnc.machine.compiler import Compiler, Function
from snnc.machine.paths import choose
from snnc.targets.dynapcnn.native import event_code, step_code


@cache
def _compiler() -> Compiler:
    return Compiler(choose(), store.cache_folder())


def steps() -> Function:
    """Return `steps(table, cores, count)`; see `step_code`."""
    return _compiler().function(step_code.NAME, (), step_code.emit)


def serve() -> Function:
    """Return `serve(table, state, commands, count)`; see `event_code`."""
    return _compiler().function(event_code.NAME, (), event_code.emit)
