"""Run by a Python that has Relay: parse and type-check a graph; build its opened form and run it.

    python lynxi_relay.py FOLDER

FOLDER holds `strict.txt` with `tables.json` (attributes of states and random ops) and
`constants.json`, and `opened.txt` with `feeds.npz` (parameters by name; `data_*` and `draws_*` per
sample and tick).
Prints JSON, and writes `results.npz`: `out_N` and `state_N`, `(samples, ticks, ...)`.
"""

import json
import re
import sys
from pathlib import Path

import numpy as np
import tvm
from tvm import relay
from tvm.contrib import graph_executor


def register(text):
    """Tell Relay of the vendor's ops: their inputs, and the type of their result."""
    for name in sorted(set(re.findall(r"\b(lyn_\w+|annotation\.\w+)\(", text))):
        relay.op.op.register(name)
        op = tvm.ir.Op.get(name)
        op.set_num_inputs(1 if name.startswith("annotation") else int(name.split("_")[-2]))
        op.set_attrs_type_key("DictAttrs")

        def rule(args, attrs, draws="random" in name):
            shape = [int(n) for n in attrs["shape"]] if draws else None
            return relay.TensorType(shape, "float16") if draws else args[0]

        op.add_type_rel(name.replace(".", "_") + "_type", rule)


def checked(folder):
    """Return how many calls a real Relay finds in the strict text, after it has typed them."""
    text = (folder / "strict.txt").read_text()
    register(text)
    tables = json.loads((folder / "tables.json").read_text())
    constants = json.loads((folder / "constants.json").read_text())
    metas = {
        "relay.Constant": [relay.const(np.zeros(c["shape"], c["dtype"])) for c in constants],
        "DictAttrs": [tvm.ir.make_node("DictAttrs", **table) for table in tables],
    }
    module = relay.fromtext(f"{text}\n#[metadata]\n{tvm.ir.save_json(metas)}\n")
    typed = relay.transform.InferType()(module)["main"]
    calls = [0]

    def count(node):
        calls[0] += isinstance(node, relay.Call)

    relay.analysis.post_order_visit(typed, count)
    return calls[0]


def run(folder):
    """Build the opened graph with LLVM and run every sample, tick by tick."""
    module = relay.fromtext((folder / "opened.txt").read_text())
    feeds = dict(np.load(folder / "feeds.npz"))
    moving = [n for n in feeds if re.fullmatch(r"(data|draws)_\d+", n)]
    fixed = {n: a for n, a in feeds.items() if n not in moving and not n.startswith("state_")}
    target = "llvm -mtriple=x86_64-linux-gnu -mcpu=core-avx2"
    with tvm.transform.PassContext(opt_level=0):
        built = relay.build(module, target=target)
    device = graph_executor.GraphModule(built["default"](tvm.cpu()))
    device.set_input(**fixed)
    states = sorted((n for n in feeds if n.startswith("state_")), key=lambda n: int(n[6:]))
    samples, ticks = feeds[moving[0]].shape[:2]
    count = device.get_num_outputs() - len(states)
    results = {}
    for sample in range(samples):
        held = [feeds[n] for n in states]
        for tick in range(ticks):
            device.set_input(**{n: feeds[n][sample, tick] for n in moving})
            device.set_input(**dict(zip(states, held)))  # noqa: B905 (Python 3.8)
            device.run()
            made = [device.get_output(n).numpy() for n in range(device.get_num_outputs())]
            held = made[count:]
            for number, array in enumerate(made):
                name = f"out_{number}" if number < count else f"state_{number - count}"
                results.setdefault(name, []).append(array)
    shaped = {n: np.stack(r).reshape(samples, ticks, *r[0].shape) for n, r in results.items()}
    np.savez(folder / "results.npz", **shaped)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    found = {"tvm": tvm.__version__, "calls": checked(place)}
    run(place)
    print(json.dumps(found))
