"""A plugin with a target whose chip is the integer program itself, and passes of every kind."""

from attrs import evolve, frozen

from snnc.diagnostics import Diagnostics
from snnc.extend.passes import Exactness, Pass, option
from snnc.extend.plugin import Plugin
from snnc.extend.target import Emitted
from snnc.ir.files import write_atomically
from snnc.ir.read import load
from snnc.ir.rewrite import rebuild
from snnc.ir.weights import save_tensors
from snnc.ir.write import write
from snnc.runtime.reference import Reference


@frozen
class Options:
    speed: int = option(3, help="ticks per second")
    longest: int = option(0, help="ticks for which it is exact; 0: for ever")
    fault: str = option("", help="what goes wrong", choices=("", "emit", "raise", "report", "run"))
    for_: str = option("fun", help="what it is for", choices=("fun", "profit"))


def with_thresholds(module, by):
    def one(op, build):
        changed = op.kind == "neuron"
        return build.copy(op, threshold=op["threshold"] + by) if changed else None

    return rebuild(module, one)


def delayed(module, by):
    first = rebuild(module, lambda op, build: None)
    outputs = set(first.graph.outputs)

    def one(op, build):
        if op.result not in outputs:
            return None
        made = build.emit(
            op.kind, [build(v) if v in build.now else v for v in op.operands], op.attrs
        )
        return [build.op("delay", made.result, by=by, name=op.result.name)]

    return rebuild(first, one)


@frozen
class Keep(Pass):
    """Change nothing."""

    name = "keep"

    def run(self, module, context):
        return module


@frozen
class Lie(Pass):
    """Say exact, and raise every threshold."""

    name = "lie"

    def run(self, module, context):
        return with_thresholds(module, 1)


@frozen
class Blur(Pass):
    """Raise every threshold, and say so."""

    name = "blur"
    exactness = Exactness.APPROXIMATE
    by: int = option(1, help="how much")

    def run(self, module, context):
        context.report["blurred"] = self.by
        context.diagnostics.warn("blurred", "thresholds were raised")
        return with_thresholds(module, self.by)


@frozen
class Late(Pass):
    """Give every output later."""

    name = "late"
    exactness = Exactness.DELAYED

    def run(self, module, context):
        return delayed(module, 2)


@frozen
class LateLie(Pass):
    """Give every output later, and say exact."""

    name = "late-lie"

    def run(self, module, context):
        return delayed(module, 2)


@frozen
class Nothing(Pass):
    """Return nothing."""

    name = "nothing"

    def run(self, module, context):
        return None


@frozen
class Crash(Pass):
    """Raise."""

    name = "crash"

    def run(self, module, context):
        return module.no_such_attribute


@frozen
class Rename(Pass):
    """Rename an input."""

    name = "rename"

    def run(self, module, context):
        return rebuild(module, lambda *_: None, inputs=lambda v: evolve(v, name=v.name + "_new"))


@frozen
class Spoil(Pass):
    """Leave a module without outputs."""

    name = "spoil"

    def run(self, module, context):
        return module.with_graph(evolve(module.graph, outputs=()))


@frozen
class Elsewhere(Pass):
    """Say that another level is left."""

    name = "elsewhere"
    level = "int"
    to = "snn"

    def run(self, module, context):
        return module


class Broken:
    def run(self, inputs, **options):
        raise KeyError("in the program")


class Toy:
    name = "toy"
    level = "int"
    doc = "a chip that is the program"
    Options = Options

    def variants(self):
        return ("small", "large")

    def hardware(self, variant, options):
        return {"neurons": {"small": 10, "large": 20}[variant]}

    def passes(self):
        return {"toy-place": "toy:Keep"}

    def pipeline(self, options):
        return "toy-place"

    def emit(self, module, folder, options):
        if options.fault == "emit":
            module = with_thresholds(module, 1)
        if options.fault == "raise":
            raise ZeroDivisionError("in the toy")
        (folder / "fault.txt").write_text(options.fault)
        apart = [w.tensor for w in module.weights.values() if not w.tensor.inline]
        save_tensors(folder / "chip.safetensors", apart)
        write_atomically(folder / "chip.snn", write(module, locs=False).encode())
        return Emitted(
            ("chip.snn", "chip.safetensors", "fault.txt"),
            resources={"neurons": 3},
            latency={v.name: 1 for v in module.graph.outputs},
            relies_on=("nothing at all",),
            max_ticks=options.longest or None,
            layout={"speed": options.speed if options.fault != "report" else object()},
        )

    def load(self, folder):
        return load(folder / "chip.snn")

    def check(self, module):
        found = Diagnostics()
        if any("huge" in value.name for value in module.graph.inputs):
            found.error("toy-full", "it does not fit")
        return found

    def emulate(self, folder):
        program = Reference().prepare(load(folder / "chip.snn"))
        return Broken() if (folder / "fault.txt").read_text() == "run" else program


plugin = Plugin(
    passes={
        "keep": "toy:Keep",
        "lie": "toy:Lie",
        "blur": "toy:Blur",
        "late": "toy:Late",
        "late-lie": "toy:LateLie",
        "nothing": "toy:Nothing",
        "crash": "toy:Crash",
        "rename": "toy:Rename",
        "spoil": "toy:Spoil",
        "elsewhere": "toy:Elsewhere",
    },
    targets={"toy": "toy:Toy"},
)
