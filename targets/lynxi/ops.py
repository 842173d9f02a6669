"""Level `lynxi`: one time step as a graph of Relay ops, with explicit state.

    %data_0 = lynxi.data %x {dtype = "float32"}            what the host sends, one lane of a batch
    %vth = lynxi.param @vth                                a parameter
    %1 = lynxi.annotation.load %0, %61 {flag = "v.hidden"} what %61 was one tick ago; %0 at first
    %61 = lynxi.annotation.save %60 {flag = "v.hidden"}
    %66 = lynxi.lyn_vir_op %59, %61                        %59, the saves being kept alive
    %y = lynxi.result %66 {element = u1, shape = [10]}     what the host makes of it

Axis 0 of every timed value is the batch, of size 1: lanes are a matter of the build. An op with
`relay` in its doc prints as it is named, behind `lynxi.`.
"""

from collections.abc import Sequence

from snnc.diagnostics import UNKNOWN
from snnc.ir.opset import REQUIRED, AttrSpec, Call, OperandSpec, OpSpec, register_level
from snnc.ir.types import Type, parse_type
from snnc.targets.lynxi import rules
from snnc.targets.lynxi.limits import LIMITS

X, Y = OperandSpec("x"), OperandSpec("y")
MANY = OperandSpec("a", many=True)
STATE = (
    AttrSpec("flag", "str", REQUIRED, "name of the state; one load and one save have it"),
    AttrSpec("offset", "int", 0, "first element of the state that is meant"),
    AttrSpec("step", "int", 0, "distance of the elements meant; 0: the whole state"),
    AttrSpec("uselookup", "int", 0, "1: the address is looked up at run time"),
    AttrSpec("mode", "int", 0, "where the state lies: 0 chosen, 1 on the chip, 2 in DDR"),
    AttrSpec("group_id", "int", 0, "opaque; 0"),
)
WINDOW = (
    AttrSpec("strides", "ints", (), "step per axis"),
    AttrSpec("padding", "ints", (), "zeros per axis: befores, then afters"),
    AttrSpec("dilation", "ints", (), "distance of taps per axis"),
)


def _op(
    name: str, doc: str, given: Sequence[OperandSpec], attrs: Sequence[AttrSpec], rule: rules.Rule
) -> OpSpec:
    return OpSpec(f"lynxi.{name}", doc, tuple(given), tuple(attrs), rule)


def _binaries() -> list[OpSpec]:
    signs = {"add": "x + y", "subtract": "x - y", "multiply": "x y", "divide": "x / y"}
    signs |= {"maximum": "the larger of x and y", "minimum": "the smaller of x and y"}
    compared = {"greater": "x > y", "greater_equal": "x >= y", "less": "x < y"}
    compared |= {"less_equal": "x <= y", "logical_and": "x and y"}
    return [
        *(
            _op(n, f"relay: {d}, broadcast.", (X, Y), (), rules.elementwise)
            for n, d in signs.items()
        ),
        *(
            _op(n, f"relay: {d}, broadcast.", (X, Y), (), rules.comparison)
            for n, d in compared.items()
        ),
    ]


def _unaries() -> list[OpSpec]:
    known = {"nn.relu": "max(x, 0)", "exp": "e^x", "tanh": "tanh x", "sqrt": "the root of x"}
    known |= {"sigmoid": "1 / (1 + e^-x)", "trunc": "x without its fraction", "negative": "-x"}
    return [_op(n, f"relay: {d}, rounded once.", (X,), (), rules.same) for n, d in known.items()]


def _movements() -> list[OpSpec]:
    axis = AttrSpec("axis", "int", 0, "axis")
    axes = AttrSpec("axis", "ints", REQUIRED, "axes")
    ints, one = "ints", AttrSpec
    return [
        _op("cast", "relay: x in another element.", (X,), (one("dtype", "str"),), rules.cast),
        _op(
            "where",
            "relay: x where a bit is set, else y.",
            (OperandSpec("condition"), X, Y),
            (),
            rules.chosen,
        ),
        _op(
            "clip",
            "relay: x between two numbers.",
            (X,),
            (one("a_min", "float"), one("a_max", "float")),
            rules.same,
        ),
        _op(
            "reshape",
            "relay: the same elements in row-major order.",
            (X,),
            (one("newshape", ints),),
            rules.reshaped,
        ),
        _op(
            "cmpandfire",
            "relay: 1 where x > theta, else 0. On the chip a fused op.",
            (X,),
            (one("theta", "float"),),
            rules.same,
        ),
        _op(
            "resetwithdecay",
            "relay: alpha x + beta where lowest < x <= theta, else alpha v_0 + beta; product and "
            "sum are rounded once each. On the chip a fused op.",
            (X,),
            (
                *(one(name, "float") for name in ("theta", "v_0", "alpha", "beta")),
                one("lowest", "float", LIMITS.fit_lowest, "where the window begins"),
            ),
            rules.same,
        ),
        _op("transpose", "relay: axes in an order.", (X,), (one("axes", ints),), rules.transposed),
        _op(
            "expand_dims",
            "relay: new axes of size 1.",
            (X,),
            (axis, one("num_newaxis", "int", 1)),
            rules.expanded,
        ),
        _op("squeeze", "relay: without axes of size 1.", (X,), (axes,), rules.squeezed),
        _op(
            "take",
            "relay: element `index` of an axis, clipped to it; `indices` repeats the number.",
            (X, OperandSpec("index")),
            (one("axis", "int"), one("indices", ints, ())),
            rules.taken,
        ),
        _op(
            "strided_slice",
            "relay: begin:end:strides along axes.",
            (X,),
            (one("begin", ints), one("end", ints), one("strides", ints), one("axes", ints)),
            rules.sliced,
        ),
        _op("concatenate", "relay: operands in a row.", (MANY,), (axis,), rules.concatenated),
        _op("stack", "relay: operands along a new axis.", (MANY,), (axis,), rules.stacked),
    ]


def _sums() -> list[OpSpec]:
    axes = AttrSpec("axis", "ints", REQUIRED, "axes that go")
    keep = AttrSpec("keepdims", "bool", False, "leave them at size 1")
    conv = (
        *WINDOW,
        AttrSpec("groups", "int", 1, "independent groups of channels"),
        AttrSpec("channels", "int", REQUIRED, "output channels"),
        AttrSpec("kernel_size", "ints", REQUIRED, "size of the kernel"),
    )
    ceil = AttrSpec("ceil_mode", "bool", False, "let the last window stand out")
    size = AttrSpec("pool_size", "ints", REQUIRED, "size of the window")
    counted = AttrSpec("count_include_pad", "bool", False, "zeros outside count")
    w, b = OperandSpec("w"), OperandSpec("bias")
    found = [
        _op("sum", "relay: sum over axes, rounded once.", (X,), (axes, keep), rules.reduced),
        _op("mean", "relay: mean over axes, rounded once.", (X,), (axes, keep), rules.reduced),
        _op("nn.dense", "relay: x w^T, each sum rounded once.", (X, w), (), rules.dense),
        _op(
            "nn.bias_add",
            "relay: x + bias along an axis.",
            (X, b),
            (AttrSpec("axis", "int", 1, "axis of the channels"),),
            rules.bias,
        ),
        _op(
            "nn.batch_norm",
            "relay: (x - mean) / sqrt(variance + epsilon) gamma + beta per channel, in double "
            "precision, rounded once. Prints as the first field of a group.",
            (X, *(OperandSpec(n) for n in ("gamma", "beta", "mean", "variance"))),
            (AttrSpec("epsilon", "float", 1e-5, "added to the variance"),),
            rules.normed,
        ),
    ]
    for n in (1, 2):
        found += [
            _op(
                f"nn.conv{n}d",
                "relay: cross-correlation, zeros outside, each sum rounded once; channels first.",
                (X, w),
                conv,
                rules.convolution(n),
            ),
            _op(
                f"nn.conv{n}d_transpose",
                "relay: y[o, strides p - padding + dilation k] += w[c, o, k] x[c, p], each sum "
                "rounded once.",
                (X, w),
                (*conv, AttrSpec("output_padding", "ints", (), "extra rows at the end per axis")),
                rules.transposed_convolution(n),
            ),
            _op(
                f"nn.max_pool{n}d",
                "relay: the largest of each window.",
                (X,),
                (size, *WINDOW, ceil),
                rules.pool(n),
            ),
            _op(
                f"nn.avg_pool{n}d",
                "relay: the mean of each window, rounded once.",
                (X,),
                (size, *WINDOW, ceil, counted),
                rules.pool(n),
            ),
        ]
    return found


def _data(call: Call) -> tuple[Type, ...]:
    x: Type = call.types["x"]
    if not x.timed:
        raise call.refuse("the host sends one value per tick", help="put an encoder before it")
    shape = list(x.shape)
    if not 0 <= call["axis"] <= len(shape):
        raise call.refuse(f"axis = {call['axis']} of {x}")
    shape.insert(call["axis"], 1)
    return (Type(rules.element_of(call, call["dtype"]), tuple(shape), 0),)


def _result(call: Call) -> tuple[Type, ...]:
    x: Type = call.types["x"]
    element = parse_type(f"{call['element']}[]", UNKNOWN).element
    shape = tuple(call["shape"])
    if Type(element, shape).size != x.size:
        raise call.refuse(f"{x} has {x.size} elements, shape = {list(shape)} not")
    return (Type(element, shape, 0),)


def _constant(call: Call) -> tuple[Type, ...]:
    held: Type = call.types["of"]
    return (held,)


def _scalar(call: Call) -> tuple[Type, ...]:
    return (Type(rules.element_of(call, call["dtype"]), ()),)


def _ends() -> list[OpSpec]:
    of = OperandSpec("of", constant=True)
    dtype = AttrSpec("dtype", "str", REQUIRED, "element by its name in the text")
    return [
        _op(
            "data",
            "What the host sends: x in `dtype`, with a batch axis of size 1.",
            (X,),
            (dtype, AttrSpec("axis", "int", 0, "where the batch axis stands")),
            _data,
        ),
        _op("param", "A parameter of the function.", (of,), (), _constant),
        _op("constant", "A constant of the metadata section.", (of,), (), _constant),
        _op(
            "scalar",
            "A number that stands in the text.",
            (),
            (AttrSpec("value", "float", REQUIRED, "the number"), dtype),
            _scalar,
        ),
        _op(
            "result",
            "What the host makes of an output: its elements in a shape and an element.",
            (X,),
            (
                AttrSpec("element", "word", REQUIRED, "element of the program"),
                AttrSpec("shape", "ints", REQUIRED, "shape of the program"),
            ),
            _result,
        ),
    ]


LEVEL = register_level(
    "lynxi",
    "one time step as a graph of Relay ops with explicit state, for the KA200 tool chain",
    [
        *_ends(),
        *_binaries(),
        *_unaries(),
        *_movements(),
        *_sums(),
        OpSpec(
            "lynxi.annotation.load",
            "relay: what the save of the same flag held one tick ago; `init` after a reset, and "
            "always where nothing is saved.",
            (OperandSpec("init"), OperandSpec("saved", optional=True)),
            (*STATE, AttrSpec("is_initial", "int", 1, "whether there is an initial image")),
            rules.loaded,
            stateful=True,
            late=True,
        ),
        OpSpec(
            "lynxi.annotation.save",
            "relay: x, kept for the load of the same flag at the next tick.",
            (X,),
            (*STATE, AttrSpec("isOutput", "int", 0, "1: the state is an output too")),
            rules.same,
        ),
        OpSpec(
            "lynxi.lyn_random_data",
            "relay: draws in [0, 1) at every tick, multiples of 2^-11: word k of the stream "
            "PCG64([seed, sample, serial]), shifted to 11 bits. The operand gives no value.",
            (OperandSpec("x", optional=True),),
            (
                AttrSpec("shape", "ints", REQUIRED, "shape of the draws"),
                AttrSpec("dtype", "str", LIMITS.dtype, "element of the draws"),
                AttrSpec("uInitValue", "int", LIMITS.init_value, "opaque"),
                AttrSpec("mode", "int", 0, "0: by hardware, 1: follows the seed"),
                AttrSpec("seed", "int", 0, "seed of our emulator's stream"),
                AttrSpec("serial", "int", 0, "number that ends its printed name"),
            ),
            rules.random,
            stateful=True,
        ),
        OpSpec(
            "lynxi.lyn_vir_op",
            "relay: the first `outputs` operands; the others are kept alive.",
            (MANY,),
            (
                AttrSpec("outputs", "int", 1, "how many operands are returned"),
                AttrSpec("serial", "int", 0, "number that ends its printed name"),
            ),
            rules.tied,
        ),
    ],
)
