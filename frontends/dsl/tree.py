"""The syntax tree of `.snnl`: what the parser makes and the builder walks. Data only."""

from attrs import frozen

from snnc.diagnostics import Location


@frozen(eq=False)
class Node:
    """Anything written in a file, with the place where a reader would point at it."""

    loc: Location


@frozen(eq=False)
class Number(Node):
    """A literal: an int, or a float where it was written with a point or an exponent."""

    value: int | float


@frozen(eq=False)
class Literal(Node):
    """A string, `true`, `false` or `none`."""

    value: str | bool | None


@frozen(eq=False)
class Name(Node):
    """A name, to be looked up (or a bare word, where an argument wants one)."""

    name: str


@frozen(eq=False)
class Member(Node):
    """`base.name`."""

    base: Node
    name: str


@frozen(eq=False)
class Between(Node):
    """`low:high` inside an index; a missing side is None."""

    low: Node | None
    high: Node | None


@frozen(eq=False)
class Index(Node):
    """`base[cut, ...]`; a cut is an expression or a `Between`."""

    base: Node
    cuts: tuple[Node, ...]


@frozen(eq=False)
class Unary(Node):
    """`-x`, `+x` or `not x`."""

    sign: str
    operand: Node


@frozen(eq=False)
class Binary(Node):
    """Two operands and a sign; `loc` is the sign's."""

    sign: str
    left: Node
    right: Node


@frozen(eq=False)
class Choose(Node):
    """`if condition then yes else no`."""

    condition: Node
    yes: Node
    no: Node


@frozen(eq=False)
class Span(Node):
    """`start..stop`, stop not included."""

    start: Node
    stop: Node


@frozen(eq=False)
class Sequence(Node):
    """`[a, b]`."""

    items: tuple[Node, ...]


@frozen(eq=False)
class Comprehension(Node):
    """`[body for name in over]`."""

    body: Node
    name: str
    over: Node


@frozen(eq=False)
class Mapping(Node):
    """`{name = value, ...}`."""

    entries: tuple[tuple[str, Node], ...]


@frozen(eq=False)
class Argument(Node):
    """An argument of a call; `name` is empty for a positional one."""

    name: str
    value: Node


@frozen(eq=False)
class Call(Node):
    """`name(arguments)`; `loc` is the name's."""

    name: str
    arguments: tuple[Argument, ...]


@frozen(eq=False)
class Pipe(Node):
    """`source |> call |> call`: each call gets what stands before it as its first argument."""

    source: Node
    calls: tuple[Call, ...]


@frozen(eq=False)
class TypeNode(Node):
    """`element[sizes]`, with `~` where there is one value per tick."""

    element: str
    sizes: tuple[Node, ...]
    timed: bool


@frozen(eq=False)
class Input(Node):
    """`input names: type`."""

    names: tuple[Name, ...]
    type: TypeNode


@frozen(eq=False)
class State(Node):
    """`state names: type`: values that are made later and read through `delay`."""

    names: tuple[Name, ...]
    type: TypeNode


@frozen(eq=False)
class Let(Node):
    """`let name = constant`."""

    name: str
    value: Node


@frozen(eq=False)
class Assign(Node):
    """`names = value`."""

    names: tuple[Name, ...]
    value: Node


@frozen(eq=False)
class Block(Node):
    """Statements in braces."""

    statements: tuple[Node, ...]


@frozen(eq=False)
class For(Node):
    """`for name in over { }`; `repeat n { }` has an empty name and `over` is the count."""

    name: str
    over: Node
    body: Block


@frozen(eq=False)
class Branch(Node):
    """`if condition { } else { }`."""

    condition: Node
    yes: Block
    no: Block | None


@frozen(eq=False)
class Return(Node):
    """`return values`."""

    values: tuple[Node, ...]


@frozen(eq=False)
class Parameter(Node):
    """A parameter of a network, with its default or None."""

    name: str
    default: Node | None


@frozen(eq=False)
class Network(Node):
    """`network name(parameters) { }`."""

    name: str
    parameters: tuple[Parameter, ...]
    body: Block


@frozen(eq=False)
class LevelLine(Node):
    """`level int` or `level snn`."""

    name: str


@frozen(eq=False)
class TicksLine(Node):
    """`ticks n`: how long a run lasts where nothing else says so."""

    count: Node


@frozen(eq=False)
class WeightsLine(Node):
    """`weights "file" as name`."""

    path: str
    name: str


@frozen(eq=False)
class Program(Node):
    """A whole file."""

    items: tuple[Node, ...]
