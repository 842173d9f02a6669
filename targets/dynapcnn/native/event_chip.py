"""One sample's chip as machine code: it obeys commands (`commands`) and keeps its potentials."""

import numpy as np

from snnc.ir.weights import Array
from snnc.targets.dynapcnn.artifact.records import Placed
from snnc.targets.dynapcnn.emulation.commands import unpack
from snnc.targets.dynapcnn.emulation.heard import Heard
from snnc.targets.dynapcnn.emulation.played import Played, Wanted, since
from snnc.targets.dynapcnn.emulation.storm import LONGEST, QUEUE, storm
from snnc.targets.dynapcnn.native import functions
from snnc.targets.dynapcnn.native.event_code import DONE, EARS_FULL, STATE, STORM
from snnc.targets.dynapcnn.native.tables import (
    DESTINATIONS,
    Table,
    Tables,
    from_memory,
    padded,
    to_memory,
    touched,
)

BY_FEATURE = (1, 2, 3)
"""Weights lie by feature in, ky and kx: an event needs those of one feature."""

_ROOM = 4
"""How many times the most that one event may cause there is room for at first."""


class EventChip:
    """A chip whose potentials go on from call to call; chips of one build share tables."""

    def __init__(self, placed: Placed, tables: Tables | None = None) -> None:
        self.placed = placed
        self._tables = Tables(lambda: _table(placed)) if tables is None else tables
        self.potentials = [
            to_memory(np.zeros(c.output) if c.initial is None else c.initial, np.int16)
            for c in placed.cores
        ]

    def copy(self) -> "EventChip":
        """Return an independent chip in the same state."""
        made = EventChip(self.placed, self._tables)
        made.potentials = [v.copy() for v in self.potentials]
        return made

    def play(
        self, commands: Array, steps: int, wanted: Wanted, listen: frozenset[int]
    ) -> tuple[Played, Heard]:
        """Return counts and potentials of some steps, and what cores that are listened to said.

        Raises:
            SnncError: `event-storm`.
        """
        table = self._tables.take()
        for number in range(len(self.placed.cores)):
            self._attend(table, number, steps, wanted, listen)
        before = table.counters()
        heard = self._serve(table, np.ascontiguousarray(commands))
        counts, potentials = {}, {}
        for number, core in enumerate(self.placed.cores):
            if core.core in wanted.counts:
                lying = table.array(number, "counts")[None]
                counts[core.core] = from_memory(lying, core.output[0])
            if core.core in wanted.potentials:
                lying = table.array(number, "trace")[None]
                potentials[core.core] = from_memory(lying, core.output[0]).astype(np.int32)
        done = since(before, table.counters())
        self._tables.give(table)
        return Played(counts, potentials, done), heard

    def _attend(
        self, table: Table, number: int, steps: int, wanted: Wanted, listen: frozenset[int]
    ) -> None:
        core = self.placed.cores[number]
        table.point(number, "v", self.potentials[number])
        features, height, width = core.output
        shape = (steps, height, width, padded(features))
        counted, traced = core.core in wanted.counts, core.core in wanted.potentials
        table.trace(number, "counts", np.zeros(shape, np.int32) if counted else None)
        table.trace(number, "trace", np.zeros(shape, np.int16) if traced else None)
        table.set(number, monitor=core.core in listen)

    def _serve(self, table: Table, commands: Array) -> Heard:
        reserve = self._reserve()
        queue = np.zeros(1 << (_ROOM * reserve - 1).bit_length(), np.uint64)
        ears = np.zeros((_ROOM * reserve, 2), np.uint64)
        state = np.zeros(len(STATE), np.int64)
        told: list[Array] = []

        def put(**values: int) -> None:
            for name, value in values.items():
                state[STATE.index(name)] = value

        put(reserve=reserve, most=LONGEST, cores=len(self.placed.cores), room=len(ears))
        put(queue=queue.ctypes.data, mask=len(queue) - 1, ears=ears.ctypes.data)
        while True:
            given = table.address, state.ctypes.data, commands.ctypes.data, len(commands)
            found = functions.serve()(*given)
            if found in (DONE, EARS_FULL):
                told.append(ears[: state[STATE.index("heard")]].copy())
                put(heard=0)
            if found == DONE:
                break
            if found == STORM or (found != EARS_FULL and 2 * len(queue) > QUEUE):
                raise storm()
            if found != EARS_FULL:
                head, tail = (int(state[STATE.index(n)]) for n in ("head", "tail"))
                waiting = queue[np.arange(head, tail) & (len(queue) - 1)]
                queue = np.zeros(2 * len(queue), np.uint64)
                queue[: len(waiting)] = waiting
                put(head=0, tail=len(waiting), queue=queue.ctypes.data, mask=len(queue) - 1)
        rows = np.concatenate(told)
        return Heard(rows[:, 1].astype(np.int64) - 1, self._numbers(unpack(rows[:, 0])))

    def _numbers(self, places: Array) -> Array:
        """Return (core, feature, y, x) with numbers of cores in place of their indices."""
        numbers = np.array([core.core for core in self.placed.cores], dtype=np.int64)
        return np.column_stack([numbers[places[:, 0]], places[:, 1:]])

    def _reserve(self) -> int:
        """Return what one command or event may add to the queue at most."""
        found = [DESTINATIONS * len(self.placed.cores)]
        for core in self.placed.cores:
            features, height, width = core.output
            neurons = int(touched(core).max()) * features
            if core.bias is not None:
                neurons = features * height * width
            found.append(DESTINATIONS * neurons)
        return max(found)


def _table(placed: Placed) -> Table:
    table = Table(placed.cores, BY_FEATURE)
    for number, core in enumerate(placed.cores):
        bias = np.zeros(padded(core.output[0]), np.int16)
        if core.bias is not None:
            bias[: core.output[0]] = core.bias
        table.point(number, "bias", bias)
    return table
