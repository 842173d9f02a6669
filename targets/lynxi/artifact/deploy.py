"""The script of a build that works with the vendor's software: compile there, then drive the chip.

It stands alone: numpy, and beside it PyTorch with the vendor's compiler, or the vendor's SDK. The
first half rebuilds the graph as a module of PyTorch, one line per binding, with the vendor's load,
save and rand, and hands it to the compiler. The second half makes the calls of the vendor's runtime
in their order. snnc has neither at hand: the calls are those that the vendor's guides print.
"""

from collections.abc import Callable, Mapping
from typing import Any

from snnc.targets.lynxi.artifact.deploy_text import SCRIPT
from snnc.targets.lynxi.artifact.records import (
    LOAD,
    RANDOM,
    SAVE,
    TIE,
    TUPLE,
    Arg,
    Artifact,
    Binding,
    Constant,
    Node,
    Scalar,
    TensorType,
    Var,
)
from snnc.targets.lynxi.artifact.text import image_name

INFIX = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "greater": ">"}
INFIX |= {"greater_equal": ">=", "less": "<", "less_equal": "<=", "logical_and": "&"}
CALLS = {"nn.relu": "torch.relu", "exp": "torch.exp", "tanh": "torch.tanh", "sqrt": "torch.sqrt"}
CALLS |= {"sigmoid": "torch.sigmoid", "trunc": "torch.trunc", "negative": "torch.neg"}
CALLS |= {"maximum": "torch.maximum", "minimum": "torch.minimum", "where": "torch.where"}

PLACE = ("uselookup", "mode", "group_id")
"""Where a state lies, as the vendor's load and save are told."""


def script(artifact: Artifact) -> str:
    """Return the text of `deploy.py` for a build."""
    lines, names = _Lines(artifact).written()
    inputs = [
        (p.param, list(artifact.graph.params[p.param].shape), p.dtype)
        for p in artifact.inputs
        if p.param
    ]
    values: Mapping[str, Any] = {
        "NAME": artifact.name,
        "BATCH": artifact.batch,
        "VERSION": artifact.version,
        "INPUTS": inputs,
        "PARAMS": names,
    }
    text = SCRIPT
    for key, value in values.items():
        text = text.replace(f"@{key}@", repr(value))
    arguments = ", ".join(name for name, _, _ in inputs)
    body = "\n".join(f"            {line}" for line in lines)
    return text.replace("@ARGUMENTS@", arguments).replace("            @BODY@", body)


class _Lines:
    """One line of PyTorch per binding."""

    def __init__(self, artifact: Artifact) -> None:
        self.artifact, self.graph = artifact, artifact.graph
        self.sent = {p.param for p in artifact.inputs}
        self.held: dict[str, str] = {}

    def written(self) -> tuple[list[str], dict[str, str]]:
        """Return the lines of forward, and names of parameters by those of their attributes."""
        lines = []
        for index, binding in enumerate(self.graph.bindings[:-1]):
            if binding.op != TUPLE:
                lines.append(f"v{index} = {self._call(binding)}")
        lines.append(f"return {self._call(self.graph.result)}")
        return lines, self.held

    def _arg(self, arg: Arg) -> str:
        if isinstance(arg, Node):
            group = self.graph.bindings[arg.index]
            if group.op == TUPLE:
                return f"({', '.join(self._arg(a) for a in group.args)})"
            return f"v{arg.index}"
        if isinstance(arg, Scalar):
            return repr(arg.value)
        name = image_name(arg.index) if isinstance(arg, Constant) else arg.name
        if isinstance(arg, Var) and name in self.sent:
            return name
        held = next((k for k, v in self.held.items() if v == name), f"p{len(self.held)}")
        self.held[held] = name
        return f"self.{held}"

    def _call(self, binding: Binding) -> str:
        args = [self._arg(a) for a in binding.args]
        op, attrs = binding.op, self.graph.attrs_of(binding)
        if op in INFIX:
            return f"{args[0]} {INFIX[op]} {args[1]}"
        if op in CALLS:
            made = [a if a[0] in "vsd(" else f"torch.tensor({a})" for a in args]
            return f"{CALLS[op]}({', '.join(made)})"
        write: Callable[..., str] | None = getattr(self, f"_{op.replace('.', '_')}", None)
        if write is not None:
            return write(args, attrs, binding)
        return self._vendor(op, args, attrs)

    def _vendor(self, op: str, args: list[str], attrs: Mapping[str, Any]) -> str:
        if op in (LOAD, SAVE):
            said = {name: attrs.get(name, 0) for name in PLACE}
            place = "".join(f", {name}={value}" for name, value in said.items() if value)
            return f"{'load' if op == LOAD else 'kept'}({args[0]}, {attrs['flag']!r}{place})"
        if op == RANDOM:
            first = args[0] if args else "0"
            size = f"torch.Size({list(attrs['shape'])})"
            return f"rand({first}, {size}, {attrs['uInitValue']}, mode={attrs['mode']})"
        assert op == TIE
        return args[0]

    def _cast(self, args: list[str], attrs: Mapping[str, Any], _: Binding) -> str:
        value = args[0] if args[0][0] in "vsd" else f"torch.tensor({args[0]})"
        return f"{value}.to(torch.{attrs['dtype']})"

    def _reshape(self, args: list[str], attrs: Mapping[str, Any], binding: Binding) -> str:
        type = binding.type
        assert isinstance(type, TensorType)
        return f"{args[0]}.reshape({list(type.shape)})"

    _squeeze = _expand_dims = _reshape

    def _transpose(self, args: list[str], attrs: Mapping[str, Any], _: Binding) -> str:
        return f"{args[0]}.permute({list(attrs['axes'])})"

    def _take(self, args: list[str], attrs: Mapping[str, Any], _: Binding) -> str:
        return f"{args[0]}.select({attrs['axis']}, {args[1]})"

    def _strided_slice(self, args: list[str], attrs: Mapping[str, Any], binding: Binding) -> str:
        parts = [":"] * (1 + max(attrs["axes"]))
        for n, axis in enumerate(attrs["axes"]):
            parts[axis] = f"{attrs['begin'][n]}:{attrs['end'][n]}:{attrs['strides'][n]}"
        return f"{args[0]}[{', '.join(parts)}]"

    def _concatenate(self, args: list[str], attrs: Mapping[str, Any], _: Binding) -> str:
        return f"torch.cat({args[0]}, dim={attrs.get('axis', 0)})"

    def _stack(self, args: list[str], attrs: Mapping[str, Any], _: Binding) -> str:
        return f"torch.stack({args[0]}, dim={attrs.get('axis', 0)})"

    def _cmpandfire(self, args: list[str], attrs: Mapping[str, Any], _: Binding) -> str:
        return f"torch.ops.custom.cmpandfire({args[0]}, {attrs['theta']})"

    def _resetwithdecay(self, args: list[str], attrs: Mapping[str, Any], _: Binding) -> str:
        numbers = ", ".join(str(attrs[n]) for n in ("theta", "v_0", "alpha", "beta"))
        return f"torch.ops.custom.resetwithdecay({args[0]}, {numbers})"

    def _clip(self, args: list[str], attrs: Mapping[str, Any], _: Binding) -> str:
        return f"torch.clamp({args[0]}, {attrs['a_min']}, {attrs['a_max']})"

    def _sum(self, args: list[str], attrs: Mapping[str, Any], _: Binding) -> str:
        return f"{args[0]}.sum(dim={list(attrs['axis'])}, keepdim={bool(attrs.get('keepdims'))})"

    def _mean(self, args: list[str], attrs: Mapping[str, Any], _: Binding) -> str:
        return f"{args[0]}.mean(dim={list(attrs['axis'])}, keepdim={bool(attrs.get('keepdims'))})"

    def _nn_dense(self, args: list[str], attrs: Mapping[str, Any], _: Binding) -> str:
        return f"F.linear({args[0]}, {args[1]})"

    def _nn_bias_add(self, args: list[str], attrs: Mapping[str, Any], binding: Binding) -> str:
        type = binding.type
        assert isinstance(type, TensorType)
        axis = attrs.get("axis", 1) % len(type.shape)
        shape = [-1, *[1] * (len(type.shape) - 1 - axis)]
        return f"{args[0]} + {args[1]}.reshape({shape})"

    def _nn_batch_norm(self, args: list[str], attrs: Mapping[str, Any], _: Binding) -> str:
        x, gamma, beta, mean, variance = args
        epsilon = attrs.get("epsilon", 1e-5)
        return f"F.batch_norm({x}, {mean}, {variance}, {gamma}, {beta}, False, 0.0, {epsilon})"

    def _window(self, attrs: Mapping[str, Any], axes: int) -> tuple[str, str]:
        """Return stride and dilation as text, and a padding in front of the call."""
        padding = tuple(attrs.get("padding") or (0,) * 2 * axes)
        pairs = [(padding[a], padding[axes + a]) for a in reversed(range(axes))]
        flat = [n for pair in pairs for n in pair]
        strides = list(attrs.get("strides") or (1,) * axes)
        dilation = list(attrs.get("dilation") or (1,) * axes)
        return f"stride={strides}, dilation={dilation}", str(flat) if any(flat) else ""

    def _convolution(self, args: list[str], attrs: Mapping[str, Any], binding: Binding) -> str:
        axes = int(binding.op[-2])
        window, padding = self._window(attrs, axes)
        x = f"F.pad({args[0]}, {padding})" if padding else args[0]
        return f"F.conv{axes}d({x}, {args[1]}, {window}, groups={attrs.get('groups', 1)})"

    _nn_conv1d = _nn_conv2d = _convolution

    def _transposed(self, args: list[str], attrs: Mapping[str, Any], binding: Binding) -> str:
        type, axes = binding.type, int(binding.op[7])
        assert isinstance(type, TensorType)
        window, _ = self._window(attrs, axes)
        befores = tuple(attrs.get("padding") or (0,) * 2 * axes)[:axes]
        cut = ", ".join(f"{b}:{b + n}" for b, n in zip(befores, type.shape[2:], strict=True))
        extra = list(attrs.get("output_padding") or (0,) * axes)
        options = f"{window}, output_padding={extra}, groups={attrs.get('groups', 1)}"
        return f"F.conv_transpose{axes}d({args[0]}, {args[1]}, {options})[:, :, {cut}]"

    _nn_conv1d_transpose = _nn_conv2d_transpose = _transposed

    def _nn_max_pool2d(self, args: list[str], attrs: Mapping[str, Any], binding: Binding) -> str:
        axes = int(binding.op[-2])
        window, padding = self._window(attrs, axes)
        x = f"F.pad({args[0]}, {padding}, value=float('-inf'))" if padding else args[0]
        ceil = bool(attrs.get("ceil_mode"))
        return f"F.max_pool{axes}d({x}, {list(attrs['pool_size'])}, {window}, ceil_mode={ceil})"

    _nn_max_pool1d = _nn_max_pool2d

    def _nn_avg_pool2d(self, args: list[str], attrs: Mapping[str, Any], binding: Binding) -> str:
        axes = int(binding.op[-2])
        padding = tuple(attrs.get("padding") or (0,) * 2 * axes)[:axes]
        stride = list(attrs.get("strides") or (1,) * axes)
        flags = f"{bool(attrs.get('ceil_mode'))}, {bool(attrs.get('count_include_pad'))}"
        size = list(attrs["pool_size"])
        return f"F.avg_pool{axes}d({args[0]}, {size}, {stride}, {list(padding)}, {flags})"

    _nn_avg_pool1d = _nn_avg_pool2d
