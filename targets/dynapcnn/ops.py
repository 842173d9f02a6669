"""Level `dynapcnn`: a network placed on cores, shaped as the configuration holds it.

    dynapcnn.chip {device = "speck2fmodule"}
    %x.to.0 = dynapcnn.destination %x {core = 0}          the host sends its events to core 0
    %s = dynapcnn.core @w.0, %x.to.0 {core = 0, ...}      convolution, neurons
    %s.to.0 = dynapcnn.destination %s {core = 3, pool = 2}
    %y = dynapcnn.output %t {pool = 1, shape = [10]}      what the host reads from a monitored core

Maps are (features, y, x), pairs (y, x).
"""

from snnc.ir.opset import ABSENT, REQUIRED, AttrSpec, Call, OperandSpec, OpSpec, register_level
from snnc.ir.types import I32, U1, U16, Type
from snnc.targets.dynapcnn.artifact.records import pooled, windows

MANY = OperandSpec("a", many=True, optional=True)


def map_of(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the map that a value stands for: itself, or one feature per element."""
    return shape if len(shape) == 3 else (Type(U1, shape).size, 1, 1)


def _destination(call: Call) -> tuple[Type, ...]:
    x: Type = call.types["x"]
    if call["pool"] < 1:
        raise call.refuse(f"pool = {call['pool']} must be at least 1")
    element = x.element if call["pool"] == 1 else I32
    return (Type(element, pooled(map_of(x.shape), call["pool"]), 0),)


def _core(call: Call) -> tuple[Type, ...]:
    w: Type = call.types["w"]
    if len(w.shape) != 4 or w.shape[2] != w.shape[3] or len(call["input"]) != 3:
        raise call.refuse(f"weights {list(w.shape)} must be [out, in, k, k], input a map")
    stride, padding = tuple(call["stride"]), tuple(call["padding"])
    if len(stride) != 2 or len(padding) != 2 or min(stride) < 1:
        raise call.refuse("stride and padding are pairs (y, x), and a stride is at least 1")
    size = windows(tuple(call["input"]), w.shape[2], stride, padding)
    return (Type(U1 if call["spike"] == "single" else U16, (w.shape[0], *size), 0),)


def _pixels(call: Call) -> tuple[Type, ...]:
    origin, last = call["origin"], call["last"]
    size = [b - a + 1 for a, b in zip(origin, last, strict=True)]
    features = 1 if call["merge"] else 2
    return (Type(U16, (features, *(size[::-1] if call["swap"] else size)), 0),)


def _output(call: Call) -> tuple[Type, ...]:
    elements = {x.element for x in call.types["a"]}
    if not elements or call["step"] < 1:
        raise call.refuse(f"it needs an operand, and step = {call['step']} must be at least 1")
    single = len(elements) == 1 and call["pool"] == 1
    return (Type(elements.pop() if single else I32, tuple(call["shape"]), 0),)


LEVEL = register_level(
    "dynapcnn",
    "a network placed on the cores of a DYNAP-CNN or Speck chip",
    [
        OpSpec(
            "dynapcnn.chip",
            "The device that the network is placed on.",
            (),
            (AttrSpec("device", "str", REQUIRED, "name of the device"),),
            lambda call: (),
        ),
        OpSpec(
            "dynapcnn.pixels",
            "The pixel block: polarities merged, sums over windows, a cut, mirrored, axes swapped.",
            (OperandSpec("x"),),
            (
                AttrSpec("merge", "bool", False, "one feature for both polarities"),
                AttrSpec("pool", "ints", (1, 1), "window (y, x)"),
                AttrSpec("origin", "ints", REQUIRED, "first pooled row and column"),
                AttrSpec("last", "ints", REQUIRED, "last pooled row and column, kept"),
                AttrSpec("mirror", "list", (False, False), "whether y and x run backwards"),
                AttrSpec("swap", "bool", False, "exchange y and x"),
                AttrSpec("sensor", "bool", False, "whether events of the pixels pass"),
                AttrSpec("monitor", "bool", False, "report its events to the host"),
            ),
            _pixels,
        ),
        OpSpec(
            "dynapcnn.destination",
            "Where events of x go: y[f, i, j] is the sum of x over a window; they arrive at "
            "feature f + shift of `core`.",
            (OperandSpec("x"),),
            (
                AttrSpec("core", "int", REQUIRED, "number of the core"),
                AttrSpec("pool", "int", 1, "square window, a sum"),
                AttrSpec("shift", "int", 0, "added to the feature"),
            ),
            _destination,
        ),
        OpSpec(
            "dynapcnn.core",
            "One used core: the events that arrive add their weights (a convolution); the bias is "
            "added at every tick; v >= high fires and subtracts it, or resets to 0; v >= low.",
            (OperandSpec("w", constant=True), MANY),
            (
                AttrSpec("core", "int", REQUIRED, "number of the core"),
                AttrSpec("input", "ints", REQUIRED, "features, height, width of its input"),
                AttrSpec("stride", "ints", (1, 1), "step (y, x)"),
                AttrSpec("padding", "ints", (0, 0), "zeros (y, x) on both sides"),
                AttrSpec("high", "int", REQUIRED, "threshold"),
                AttrSpec("low", "int", REQUIRED, "lower bound"),
                AttrSpec("return_to_zero", "bool", False, "a spike resets to 0"),
                AttrSpec(
                    "spike", "word", "count", "spikes of one tick at most", ("single", "count")
                ),
                AttrSpec("most", "int", 65535, "largest count of one tick"),
                AttrSpec("monitor", "bool", False, "report its events to the host"),
                AttrSpec("readout", "bool", False, "send its events to the readout block"),
                AttrSpec("bias", "symbol", ABSENT, "leak per feature"),
                AttrSpec("initial", "symbol", ABSENT, "potentials at the start [f, y, x]"),
                AttrSpec("shape", "ints", (), "shape in the program; the map if not given"),
            ),
            _core,
            stateful=True,
        ),
        OpSpec(
            "dynapcnn.output",
            "What the host makes of the events of monitored cores: their features one after the "
            "other, every `step`-th of them, summed over windows of `pool`.",
            (OperandSpec("a", many=True),),
            (
                AttrSpec("step", "int", 1, "distance of the features that count"),
                AttrSpec("seen", "bool", True, "whether the host gets these events"),
                AttrSpec("pool", "int", 1, "square window, a sum"),
                AttrSpec("shape", "ints", REQUIRED, "shape in the program"),
            ),
            _output,
        ),
    ],
)
