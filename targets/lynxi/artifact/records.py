"""A graph as its printed form holds it: parameters, numbered bindings, metadata; plain records.

Writer, reader, judge and emulator meet in these classes, which know no op. A graph is what the text
of one function says; `Artifact` adds what the folder says of it: names, batch, states' places.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import field, frozen

from snnc.ir.weights import Array

LOAD, SAVE = "annotation.load", "annotation.save"
RANDOM, TIE = "lyn_random_data", "lyn_vir_op"
TUPLE = "tuple"
"""Name of a binding that only groups values: `(%1, %2)`."""

BINDING = ".op"
"""Stands behind the number of a binding where the program has a value of that name."""

CONSTANT_KEY = "relay.Constant"
STATE_KEY = "relay.attrs.LoadSaveAttrs"
DICT_KEY = "DictAttrs"
KEY_OF = {LOAD: STATE_KEY, SAVE: STATE_KEY, RANDOM: DICT_KEY}
"""Ops whose attributes stand in the metadata section, and the key of their list there."""

FAMILIES = (RANDOM, TIE)
"""Ops whose printed name ends in the number of their inputs and a serial number."""

Meta = Mapping[str, Any]


@frozen
class TensorType:
    """Element by its name in the text, and shape; rank 0 prints as the bare element."""

    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        if not self.shape:
            return self.dtype
        return f"Tensor[({', '.join(map(str, self.shape))}), {self.dtype}]"


@frozen
class TupleType:
    """The type of a group of tensors."""

    fields: tuple[TensorType, ...]

    def __str__(self) -> str:
        return f"({', '.join(map(str, self.fields))})"


AnyType = TensorType | TupleType


@frozen
class Var:
    """A parameter by name."""

    name: str


@frozen
class Node:
    """An earlier binding; `field` picks from its tuple."""

    index: int
    field: int | None = None


@frozen
class Scalar:
    """A number that stands in the text."""

    value: float | int | bool
    dtype: str


@frozen
class Constant:
    """An entry of the constants in the metadata section."""

    index: int
    type: TensorType


Arg = Var | Node | Scalar | Constant


@frozen
class Binding:
    """One call; `attrs` are those printed, `meta` the place of the others in the metadata.

    `serial` is the number that ends the name of an op of `FAMILIES`.
    """

    op: str
    args: tuple[Arg, ...]
    type: AnyType
    attrs: Mapping[str, Any] = field(factory=dict)
    meta: int | None = None
    serial: int | None = None


@frozen
class Graph:
    """A function; the last binding is its result.

    `metas` are the dictionaries of the metadata section by key, `constants` its images.
    """

    name: str
    params: Mapping[str, TensorType]
    bindings: tuple[Binding, ...]
    metas: Mapping[str, tuple[Meta, ...]] = field(factory=dict)
    constants: tuple[Array, ...] = ()

    @property
    def result(self) -> Binding:
        """The call whose value the function returns."""
        return self.bindings[-1]

    def of(self, *ops: str) -> Iterator[tuple[int, Binding]]:
        """Yield the bindings of some ops with their numbers."""
        for index, binding in enumerate(self.bindings):
            if binding.op in ops:
                yield index, binding

    def attrs_of(self, binding: Binding) -> Meta:
        """Return all attributes of a binding, those of the metadata section included."""
        if binding.meta is None:
            return binding.attrs
        return {**binding.attrs, **self.metas[KEY_OF[binding.op]][binding.meta]}


@frozen
class Port:
    """An input or output: its name and type in the program, and the parameter that it arrives by.

    `dtype` is what the host sends or receives.
    """

    name: str
    type: str
    dtype: str
    param: str = ""


@frozen
class Artifact:
    """What a folder says: the graph, the values of its parameters, names, and how it is run.

    `names` gives bindings the names of the program's values.
    """

    name: str
    graph: Graph
    params: Mapping[str, Array]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    names: Mapping[int, str]
    batch: int = 1
    version: int = 0
    profile: str = "f32"
