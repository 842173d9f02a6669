"""One measured mapping, in a process of its own: `python -m snnc.cli.bench.map_child TASK.json`.

As in `child.py`, the network is made first and a tiny one compiled; measured is processor time,
from the module in memory to the files on disk. Cores, links and bounds are counted behind that,
from the placed program, and the build is verified if that is wanted. The result is one line of
JSON.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from snnc.cli.bench.map_networks import chain, make_network
from snnc.cli.bench.resident import peak


def measure(task: dict[str, Any]) -> dict[str, Any]:
    """Return what compiling a network of a task takes, and what its mapping is."""
    from snnc.driver import compile as compile_network
    from snnc.driver.pipeline import run_pipeline
    from snnc.targets.paicore.reports.bounds import bounds, total

    layers = tuple(task["layers"])
    module = make_network("bench", tuple(task["shape"]), layers, task["bits"])
    with tempfile.TemporaryDirectory(prefix="snnc-bench-") as place:
        compile_network(tiny(), "paicore").save(Path(place, "tiny"))
        folder = Path(place, "build")
        begun = time.process_time()
        how = task["multicast"]
        build = compile_network(module, "paicore", chip=tuple(task["chip"]), multicast=how)
        build.save(folder)
        seconds = time.process_time() - begun
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        found = {"seconds": seconds, "bytes": size, "peak_bytes": peak()}
        found |= counts(build.placed)
        if task["verify"]:
            found["verified"] = bool(build.verify())
    if any("mask" in term for layer in layers for term in layer["terms"]):
        options = {"chip": tuple(task["chip"]), "multicast": how, "partition": "off"}
        whole = compile_network(module, "paicore", **options)
        found["whole"] = whole.manifest["resources"]["cores"]
    scheduled = run_pipeline(module, "legalise,shrink-weights,schedule", target="paicore")
    return found | {"bound": total(bounds(scheduled))}


def tiny() -> Any:
    """Return a small network that takes every way of the mapper, so that all of it is imported."""
    return make_network("tiny", (1, 40, 40), chain((1, 40, 40), "c2k3p1 m2 f10"), 1)


def counts(module: Any) -> dict[str, Any]:
    """Return cores, and links and deliveries of one spike of every neuron and input element."""
    from snnc.targets.paicore.placed import read_placed
    from snnc.targets.paicore.reports.traffic import traffic

    placed = read_placed(module)
    costs = traffic(placed)
    inner = costs.rows.deliveries > 0
    every = [costs.rows.links[inner], *(way.links for way in costs.inputs)]
    reached = [costs.rows.deliveries, *(way.deliveries for way in costs.inputs)]
    return {
        "chips": len(placed.chips),
        "required": len(placed.cores),
        "occupied": len(placed.cores) + len(placed.idle),
        "links": int(sum(links.sum() for links in every)),
        "deliveries": int(sum(each.sum() for each in reached)),
    }


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))))
