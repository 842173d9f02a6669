"""Level `paicore`: a program placed on cores, shaped as the chip holds it.

Everything here can be read back from the files of a build. All neuron records stand in tables over
the whole program, in the order of the cores; a core names its part of them. A core reads layers
and inputs; which axon a spike lands on stands with its source (`axon`, `slot` of the tables).

    paicore.neurons @neuron.threshold, ...          the tables, one row per neuron record
    %x.0 = paicore.input %x, @x.0.axon, @x.0.slot   an input as the host sends it to one region
    %c0 = paicore.core @w.0.0, %x.0 {...}           a used core
    paicore.idle {at = [0, 0, 1, 1]}                a core of a region that only ignores frames
    %s = paicore.layer %c0, %c1                     a layer, gathered from its cores
    %y = paicore.output %s {node = 0, ...}          what the host receives
"""

from snnc.ir.opset import ABSENT, REQUIRED, AttrSpec, Call, OperandSpec, OpSpec, register_level
from snnc.ir.types import U1, U8, Type

TABLES = {
    "threshold": "i32",
    "negative": "i32",
    "leak": "i32",
    "reset_to": "i32",
    "reset": "u8",
    "negative_mode": "u8",
    "leak_after": "u1",
    "leak_reversal": "u1",
    "truncate": "u8",
    "chip": "u16",
    "core": "u16",
    "mask": "u16",
    "axon": "u16",
    "slot": "u8",
}
"""Columns of the neuron records: name -> element. Codes are those of the records (paicore.md,
section 3): reset 0 hard, 1 soft, 2 none; negative_mode 0 reset, 1 floor; chip, core and mask are
ten-bit addresses x << 5 | y of the destination; axon and slot (tick_relative) the place there."""

WEIGHTS = {1: "u1", 2: "i2", 4: "i4", 8: "i8"}
"""The element of a core's weights by their bits."""

AT = AttrSpec("at", "ints", REQUIRED, "chip x, chip y, core x, core y")
REGISTER = (
    AT,
    AttrSpec("bits", "int", 8, "weight bits: 1, 2, 4 or 8"),
    AttrSpec("extension", "int", 1, "axon extension L: slots read per tick, a power of two"),
    AttrSpec("wide", "bool", False, "takes values of eight bits, on 144 axons a slot, not spikes"),
    AttrSpec("values", "bool", False, "sends the eight bits `truncate` of a potential, not spikes"),
    AttrSpec("keep", "bool", True, "keeps potentials; without, each tick begins at 0"),
    AttrSpec("pool", "bool", False, "takes the largest value that has a weight, not the sum"),
    AttrSpec("target_extension", "int", 1, "axon extension of the cores it sends to"),
    AttrSpec("start", "int", 1, "tick_wait_start: global step of its first tick; 0: never"),
    AttrSpec("ticks", "int", 0, "tick_wait_end: how many ticks it works; 0: for ever"),
    AttrSpec("first", "int", 0, "the program's tick at its first local tick"),
    AttrSpec("neurons", "ints", REQUIRED, "first row in the tables, number of rows"),
    AttrSpec("test_chip", "ints", REQUIRED, "chip x, y that test frames go to"),
)
MANY = OperandSpec("a", many=True, optional=True)


def _neurons(call: Call) -> tuple[Type, ...]:
    counts = {t.shape for t in call.types.values()}
    if len(counts) != 1:
        raise call.refuse(f"the tables have different lengths: {sorted(counts)}")
    return ()


def _core(call: Call) -> tuple[Type, ...]:
    _, count = call["neurons"]
    if call.types["w"].shape[0] != count:
        raise call.refuse(f"{call.types['w'].shape[0]} rows of weights for {count} neurons")
    element = U8 if call["values"] else U1
    return (Type(element, (count,), max(call["start"] - 1 - call["first"], 0)),)


def _input(call: Call) -> tuple[Type, ...]:
    x: Type = call.types["x"]
    if call.types["axon"].size != x.size or call.types["slot"].size != x.size:
        raise call.refuse(f"{x.size} elements need as many axons and slots")
    return (Type(x.element, (x.size,), 0),)


def _layer(call: Call) -> tuple[Type, ...]:
    parts: tuple[Type, ...] = call.types["a"]
    shape = tuple(call["shape"])
    pieces = call["pieces"] or tuple((0, t.size) for t in parts)
    held, size = sum(b - a for a, b in pieces), Type(U1, shape).size
    some = held < size and call["copy"] > 0 and call["order"] is not None
    if len(pieces) != len(parts) or (held != size and not some):
        raise call.refuse(f"{len(parts)} cores do not hold the {list(shape)} neurons of the layer")
    if len({t.phase for t in parts}) != 1:
        raise call.refuse("the cores of a layer start at different ticks")
    if len({t.element for t in parts}) != 1:
        raise call.refuse("some cores of a layer send values and some spikes")
    return (Type(parts[0].element, (held,) if some else shape, parts[0].phase),)


def _output(call: Call) -> tuple[Type, ...]:
    x: Type = call.types["x"]
    shape = tuple(call["shape"]) or x.shape
    if x.with_shape(shape).size != x.size:
        raise call.refuse(f"{x.size} neurons cannot have the shape {list(shape)}")
    return (x.with_shape(shape),)


LEVEL = register_level(
    "paicore",
    "a program placed on PAICORE cores",
    [
        OpSpec(
            "paicore.neurons",
            "The tables of all neuron records, in the order of the cores.",
            tuple(OperandSpec(name, constant=True) for name in TABLES),
            (),
            _neurons,
        ),
        OpSpec(
            "paicore.input",
            "The spikes of x as the host sends them to the region `core`, `mask` of "
            "`chip`: element e at tick k to axon[e], slot (slot[e] + (k-first) extension) mod 256; "
            "ticks before `first` are not sent. With `region`, `core` and `mask` hold several "
            "coordinates one after another, and element e goes to number region[e].",
            (
                OperandSpec("x"),
                OperandSpec("axon", constant=True),
                OperandSpec("slot", constant=True),
            ),
            (
                AttrSpec("chip", "ints", REQUIRED, "chip x, y"),
                AttrSpec("core", "ints", REQUIRED, "base core x, y"),
                AttrSpec("mask", "ints", (0, 0), "don't-care bits of x and y"),
                AttrSpec("extension", "int", 1, "axon extension of the cores that read it"),
                AttrSpec("first", "int", 0, "tick at which they begin"),
                AttrSpec("region", "symbol", ABSENT, "which core and mask each element goes to"),
            ),
            _input,
        ),
        OpSpec(
            "paicore.core",
            "One used core: its register, its rows of the neuron tables and its "
            "weights w[neuron, slot * axons + axon] for layers and inputs that reach it. A slot "
            "has 1152 axons, or 144 in `wide` cores, whose axon addresses are 8 apart.",
            (OperandSpec("w", constant=True), MANY),
            REGISTER,
            _core,
            late=True,
        ),
        OpSpec(
            "paicore.idle",
            "A core of a region that holds nothing and ignores all frames.",
            (),
            (AT, AttrSpec("test_chip", "ints", REQUIRED, "chip x, y")),
            lambda call: (),
        ),
        OpSpec(
            "paicore.layer",
            "A layer's spikes, piece after piece of its cores; `order` lists the "
            "layer's flat neuron at each place if it is not 0, 1, 2 ...; `copy` counts further "
            "physical copies, each with its own destination; one may hold some neurons only.",
            (MANY,),
            (
                AttrSpec("of", "str", REQUIRED, "name of the neurons in the program"),
                AttrSpec("shape", "ints", REQUIRED, "their shape"),
                AttrSpec("copy", "int", 0, "number of the copy"),
                AttrSpec("delay", "int", 1, "delay of the chip: 1 is the reader's same step"),
                AttrSpec("unit", "ints", (), "worth of a potential's step: one, or per channel"),
                AttrSpec("zero", "ints", (), "worth of a potential of 0: one, or per neuron"),
                AttrSpec(
                    "pieces", "list", ABSENT, "[start, stop] in each core, if not the whole core"
                ),
                AttrSpec("order", "symbol", ABSENT, "flat neuron at each place"),
            ),
            _layer,
        ),
        OpSpec(
            "paicore.output",
            "A layer that the host receives as node `node`: element e at axon "
            "e mod 1152, slot k blocks + e div 1152 of the local tick k, blocks a power of two.",
            (OperandSpec("x"),),
            (
                AttrSpec("of", "str", REQUIRED, "name of the output in the program"),
                AttrSpec("node", "int", 0, "number of the output node"),
                AttrSpec("chip", "ints", REQUIRED, "output chip x, y"),
                AttrSpec("core", "ints", REQUIRED, "coordinate that stands for the node"),
                AttrSpec("shape", "ints", (), "shape in the program; the layer's if not given"),
                AttrSpec("blocks", "int", 1, "slots per tick"),
            ),
            _output,
        ),
    ],
)
