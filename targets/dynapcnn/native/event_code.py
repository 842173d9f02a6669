"""The machine code of events: `serve(table, state, commands, count)` obeys commands in order.

An event is taken from the queue, its weights are added to the neurons that it touches, 16 bits
saturating, and those that reach their threshold send an event each, in the order of x, y and
feature. A command is taken when the queue is empty. 0 is returned when all are done, 1 or 2 where
the queue or the list of heard events might become too small: the caller gives more room and calls
again. 3 is returned where one command has caused more events than the caller allows.
"""

from typing import Any

from llvmlite import ir

from snnc.machine.assembly import I1, I8, I16, I32, I64, Assembly, vector
from snnc.targets.dynapcnn.emulation.commands import EVENT, JOINED, LEAK
from snnc.targets.dynapcnn.native.tables import BYTES, DESTINATIONS, LANES, place, place_to

NAME = "serve"
STATE = (
    "head",
    "tail",
    "cursor",
    "heard",
    "queue",
    "mask",
    "ears",
    "room",
    "reserve",
    "served",
    "most",
    "cores",
)
"""Entries of the state: `served` counts since the last command, `reserve` is what one may cause."""

DONE, QUEUE_FULL, EARS_FULL, STORM = range(4)
_WIDE = vector(I16, LANES)
_BYTES = 2 * LANES


def emit(module: Any) -> None:
    """Write the function into a module."""
    _Fire(module).emit()
    _Serve(module).emit()


class _Code:
    """What both functions do with tables and the state."""

    core: Any
    state: Any

    def __init__(self, module: Any, name: str, arguments: int) -> None:
        self.code = Assembly(module, name, arguments)
        self.b = self.code.builder

    def field(self, name: str) -> Any:
        return self.code.load(self.code.sum(self.core, place(name)), I64)

    def add_to(self, name: str, amount: Any) -> None:
        at = self.code.sum(self.core, place(name))
        self.code.store(self.b.add(self.code.load(at, I64), amount), at)

    def get(self, name: str) -> Any:
        return self.code.load(self.code.sum(self.state, 8 * STATE.index(name)), I64)

    def put(self, name: str, value: Any) -> None:
        self.code.store(value, self.code.sum(self.state, 8 * STATE.index(name)))

    def nonzero(self, value: Any) -> Any:
        return self.b.icmp_unsigned("!=", value, self.code.number(0))

    def push(self, word: Any) -> None:
        tail = self.get("tail")
        spot = self.code.times(self.b.and_(tail, self.get("mask")), 8)
        self.code.store(word, self.b.add(self.get("queue"), spot))
        self.put("tail", self.code.sum(tail, 1))

    def word(self, core: Any, feature: Any, y: Any, x: Any) -> Any:
        b, number = self.b, self.code.number
        parts = [b.shl(v, number(n)) for v, n in ((core, 48), (feature, 32), (y, 16))]
        return b.or_(b.or_(parts[0], parts[1]), b.or_(parts[2], x))


class _Fire(_Code):
    """`fire(core, index, state, feature, y, x)`: one neuron spikes."""

    def __init__(self, module: Any) -> None:
        super().__init__(module, "fire", 6)
        self.code.function.attributes.add("alwaysinline")

    def emit(self) -> None:
        code, b = self.code, self.b
        self.core, index, self.state, feature, y, x = code.arguments
        self.add_to("spikes", code.number(1))
        counts = self.field("counts")
        with code.when(self.nonzero(counts)):
            spot = b.add(b.mul(y, self.field("width")), x)
            lane = b.add(b.mul(spot, code.times(self.field("blocks"), LANES)), feature)
            at = b.add(counts, code.times(lane, 4))
            code.store(b.add(code.load(at, I32), code.number(1, I32)), at)
        with code.when(self.nonzero(self.field("monitor"))):
            heard = self.get("heard")
            at = b.add(self.get("ears"), code.times(heard, 16))
            code.store(self.word(index, feature, y, x), at)
            code.store(self.get("cursor"), code.sum(at, 8))
            self.put("heard", code.sum(heard, 1))
        sent = self.field("sent")
        for number in range(DESTINATIONS):
            with code.when(b.icmp_signed(">", sent, code.number(number))):
                self._send(number, feature, y, x)
        code.finish(code.number(0))

    def _send(self, number: int, feature: Any, y: Any, x: Any) -> None:
        code, b = self.code, self.b
        to = {
            name: code.load(code.sum(self.core, place_to(number, name)), I64)
            for name in ("core", "pool", "shift", "height", "width")
        }
        row, column = (b.ashr(n, to["pool"]) for n in (y, x))
        inside = b.and_(
            b.icmp_signed("<", row, to["height"]), b.icmp_signed("<", column, to["width"])
        )
        with code.when(inside):
            self.push(self.word(to["core"], b.add(feature, to["shift"]), row, column))


class _Serve(_Code):
    def __init__(self, module: Any) -> None:
        super().__init__(module, NAME, 4)

    def emit(self) -> None:
        code, b = self.code, self.b
        self.table, self.state, self.commands, count = code.arguments
        blocks = [code.function.append_basic_block(n) for n in ("turn", "event", "command", "obey")]
        turn, event, command, obey = blocks
        b.branch(turn)
        b.position_at_end(turn)
        self._stop_where_full()
        waiting = b.icmp_unsigned("!=", self.get("head"), self.get("tail"))
        b.cbranch(waiting, event, command)
        b.position_at_end(event)
        self._event()
        b.branch(turn)
        b.position_at_end(command)
        with code.when(b.icmp_unsigned("==", self.get("cursor"), count)):
            b.ret(code.number(DONE))
        b.branch(obey)
        b.position_at_end(obey)
        self._obey(obey, turn)

    def _stop_where_full(self) -> None:
        code, b = self.code, self.b
        used = b.sub(self.get("tail"), self.get("head"))
        for code_number, needed, room in (
            (QUEUE_FULL, b.add(used, self.get("reserve")), self.get("mask")),
            (EARS_FULL, b.add(self.get("heard"), self.get("reserve")), self.get("room")),
            (STORM, self.get("served"), self.get("most")),
        ):
            with code.when(b.icmp_unsigned(">", needed, room)):
                b.ret(code.number(code_number))

    def _obey(self, obey: Any, turn: Any) -> None:
        """Take a command; after a joined event the next one at once."""
        code, b = self.code, self.b
        cursor = self.get("cursor")
        word = code.load(b.add(self.commands, code.times(cursor, 8)), I64)
        self.put("cursor", code.sum(cursor, 1))
        self.put("served", code.number(0))
        kind = b.lshr(word, code.number(56))
        self._find(b.and_(b.lshr(word, code.number(48)), code.number(0xFF)))
        is_event = b.icmp_unsigned("<=", kind, code.number(max(EVENT, JOINED)))
        with b.if_else(is_event) as (then, otherwise):
            with then:
                self.push(b.and_(word, code.number((1 << 56) - 1)))
            with otherwise:
                leaks = b.icmp_unsigned("==", kind, code.number(LEAK))
                with b.if_else(leaks) as (leak, step):
                    with leak:
                        self._leak()
                    with step:
                        self._step()
        b.cbranch(b.icmp_unsigned("==", kind, code.number(JOINED)), obey, turn)

    def _find(self, index: Any) -> None:
        self.index = index
        self.core = self.b.add(self.table, self.code.times(index, BYTES))

    def _fire(self, feature: Any, y: Any, x: Any) -> None:
        fire = self.code.module.globals["fire"]
        self.b.call(fire, [self.core, self.index, self.state, feature, y, x])

    def _event(self) -> None:
        """Serve the first event of the queue."""
        code, b = self.code, self.b
        head = self.get("head")
        spot = code.times(b.and_(head, self.get("mask")), 8)
        word = code.load(b.add(self.get("queue"), spot), I64)
        self.put("head", code.sum(head, 1))
        self.put("served", code.sum(self.get("served"), 1))
        core, feature, y, x = (
            b.and_(b.lshr(word, code.number(n)), code.number(m))
            for n, m in ((48, 0xFF), (32, 0xFFFF), (16, 0xFFFF), (0, 0xFFFF))
        )
        self._find(core)
        rows, columns = (
            [
                code.load(code.sum(b.add(self.field(name), code.times(at, 24)), 8 * n), I64)
                for n in range(3)
            ]
            for name, at in (("rows", y), ("columns", x))
        )
        touched = b.mul(b.mul(rows[1], columns[1]), self.field("features"))
        self.add_to("events", code.number(1))
        self.add_to("operations", touched)
        self._window(feature, rows, columns)

    def _window(self, feature: Any, rows: list[Any], columns: list[Any]) -> None:
        code, b = self.code, self.b
        kernel, blocks, width = self.field("kernel"), self.field("blocks"), self.field("width")
        potentials, weights = self.field("v"), self.field("weights")
        high, low = (code.splat(b.trunc(self.field(n), I16), LANES) for n in ("high", "low"))
        taps = b.mul(feature, kernel)
        stride_y, stride_x = self.field("stride_y"), self.field("stride_x")
        to_zero = self.nonzero(self.field("to_zero"))
        with code.loop(columns[1]) as j:
            tap_x = b.sub(columns[2], b.mul(j.index, stride_x))
            x = b.add(columns[0], j.index)
            with code.loop(rows[1]) as i:
                tap_y = b.sub(rows[2], b.mul(i.index, stride_y))
                y = b.add(rows[0], i.index)
                tap = b.add(b.mul(b.add(taps, tap_y), kernel), tap_x)
                kept, spot = b.mul(tap, blocks), b.mul(b.add(b.mul(y, width), x), blocks)
                with code.loop(blocks) as block:
                    from_ = b.add(weights, code.times(b.add(kept, block.index), LANES))
                    at = b.add(potentials, code.times(b.add(spot, block.index), _BYTES))
                    w = b.sext(code.load(from_, vector(I8, LANES)), _WIDE)
                    v = code.intrinsic("sadd.sat", code.load(at, _WIDE), w)
                    v = code.intrinsic("smax", v, low)
                    # What pads a map has no weights, and a threshold is above 0: it never fires.
                    fired = b.icmp_signed(">=", v, high)
                    code.store(self._after(v, fired, high, to_zero), at)
                    mask = b.zext(b.bitcast(fired, ir.IntType(LANES)), I64)
                    first = code.times(block.index, LANES)
                    with code.when(self.nonzero(mask)):
                        self._fire_all(mask, first, y, x)

    def _after(self, v: Any, fired: Any, high: Any, to_zero: Any) -> Any:
        b = self.b
        reset = b.select(to_zero, self.code.number(0, v.type), b.sub(v, high))
        return b.select(fired, reset, v)

    def _fire_all(self, mask: Any, first: Any, y: Any, x: Any) -> None:
        code, b = self.code, self.b
        with code.loop(code.call("llvm.ctpop.i64", I64, mask), carried=[mask]) as lane:
            left = lane.carried[0]
            lane.next = [b.and_(left, b.sub(left, code.number(1)))]
            bit = code.call("llvm.cttz.i64", I64, left, ir.Constant(I1, 0))
            self._fire(b.add(first, bit), y, x)

    def _leak(self) -> None:
        """Add the bias of each feature to its neurons, in the order of feature, x and y."""
        code, b = self.code, self.b
        width, lanes = self.field("width"), code.times(self.field("blocks"), LANES)
        type = vector(I16, 1)
        high, low = (code.splat(b.trunc(self.field(n), I16), 1) for n in ("high", "low"))
        to_zero = self.nonzero(self.field("to_zero"))
        with code.loop(self.field("features")) as g:
            bias = code.load(b.add(self.field("bias"), code.times(g.index, 2)), type)
            with code.loop(width) as x, code.loop(self.field("height")) as y:
                spot = b.add(b.mul(b.add(b.mul(y.index, width), x.index), lanes), g.index)
                at = b.add(self.field("v"), code.times(spot, 2))
                v = code.intrinsic("sadd.sat", code.load(at, type), bias)
                v = code.intrinsic("smax", v, low)
                fired = b.icmp_signed(">=", v, high)
                code.store(self._after(v, fired, high, to_zero), at)
                with code.when(b.extract_element(fired, code.number(0, I32))):
                    self._fire(g.index, y.index, x.index)

    def _step(self) -> None:
        """End a step: potentials are kept where they are traced, counts go on to the next step."""
        code, b = self.code, self.b
        with code.loop(self.get("cores")) as core:
            self._find(core.index)
            trace = self.field("trace")
            with code.when(self.nonzero(trace)):
                size = b.mul(b.mul(self.field("height"), self.field("width")), self.field("blocks"))
                with code.loop(size) as block:
                    offset = code.times(block.index, _BYTES)
                    code.store(
                        code.load(b.add(self.field("v"), offset), _WIDE), b.add(trace, offset)
                    )
            for name in ("counts", "trace"):
                self.add_to(name, self.field(f"{name}_step"))
