"""What forward changes behind the capture's back: each is refused.

A captured program is a list of functions of values. It does not show that a forward counts its
calls in an attribute, writes into a buffer or its input, or changes a tensor in place that it then
uses under another name.
"""

from collections.abc import Mapping
from typing import Any

from snnc.diagnostics import Location, SnncError, fail, named
from snnc.frontends.pytorch.origins import Place, place_of

Numbers = Mapping[str, Mapping[str, Any]]

_VIEWS = (
    *("view", "reshape", "_unsafe_view", "flatten", "unflatten", "select", "slice", "transpose"),
    *("permute", "t", "unsqueeze", "squeeze", "expand", "alias", "detach", "unbind", "split"),
    *("chunk", "split_with_sizes", "movedim", "contiguous", "to", "swapaxes", "numpy_T", "narrow"),
)


def numbers_kept(network: Any) -> Numbers:
    """Return the plain numbers that the modules of a network keep in attributes, by path."""
    return {
        path: {k: v for k, v in vars(module).items() if type(v) in (int, float, bool)}
        for path, module in network.named_modules()
    }


def check_numbers_kept(before: Numbers, after: Numbers) -> None:
    """Refuse a network that changes a number of its own from call to call."""
    for path, kept in before.items():
        for name, value in kept.items():
            if after.get(path, {}).get(name) != value:
                raise fail(
                    "unsupported-network",
                    f"forward changes {name} of {path or 'the network'} from {value} to "
                    f"{after.get(path, {}).get(name)}: a state outside the neuron layers",
                    named(path or "network"),
                    help="do the same at every call: keep counters and switches out of forward",
                )


def check_program(program: Any) -> None:
    """Refuse a program that writes into buffers, inputs, or tensors that are used again."""
    signature = program.graph_signature
    names = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    written = [*signature.buffers_to_mutate.values(), *signature.user_inputs_to_mutate.values()]
    if written:
        raise _written(written[0], named(written[0]))
    _check_in_place(list(program.graph.nodes), names)


def _written(name: str, where: Location) -> SnncError:
    return fail(
        "unsupported-network",
        f"forward writes into {name.removeprefix('network.')}: a state outside the neuron layers",
        where,
        help="make new values (x = x + 1, not x += 1); states belong to neuron layers",
    )


def _check_in_place(nodes: list[Any], names: Mapping[str, str]) -> None:
    """Refuse a change in place of what is given, or of what an older name shows afterwards."""
    root: dict[Any, Any] = {}
    changed: dict[Any, tuple[int, Any]] = {}
    made: dict[Any, int] = {}
    for number, node in enumerate(nodes):
        made[node] = number
        name = str(node.target).split(".")
        inner = name[1] if node.op == "call_function" and len(name) > 1 else ""
        for source in node.all_input_nodes:
            last = changed.get(root[source])
            if last is not None and made[source] < last[0]:
                raise _aliased(place_of(last[1]), place_of(node))
        viewed = inner in _VIEWS or "getitem" in str(node.target)
        in_place = inner.endswith("_") and not inner.endswith("__")
        root[node] = root[node.args[0]] if (viewed or in_place) and node.all_input_nodes else node
        if in_place and root[node].op == "placeholder":
            raise _written(names.get(root[node].name, root[node].name), place_of(node).loc)
        if in_place:
            changed[root[node]] = (number, node)


def _aliased(change: Place, use: Place) -> SnncError:
    where = f"{change.path}: " if change.path else ""
    return fail(
        "unsupported-function",
        f"{where}a tensor is changed in place, and used at {use.loc} under an older name",
        change.loc,
        help="write a new value: y = y + 1 in place of y += 1, torch.stack in place of out[t] = y",
    )
