"""Register-level nodes of PAIBox networks that were recorded as authored only (never lowered).

Only the presets IF and LIF and convolutions are known. PAIBox checks shapes with a convolution's
dilation but does not apply it: it keeps the upper left part of the undilated result (golden 64).
"""

from typing import Any

from snnc.diagnostics import SnncError, fail, named

Json = dict[str, Any]

FARTHEST = 2**29 - 1


def unsupported(name: str, reason: str) -> SnncError:
    """Return the refusal of a case."""
    return fail("paibox-unsupported", reason, named(name), help="use a network without it")


def lower(net: Json) -> Json:
    """Return what `lowered.json` would hold, without weight matrices."""
    nodes = [n if n["kind"] == "input" else _neuron(n) for n in net["nodes"]]
    edges = [{k: e[k] for k in ("id", "src", "dst")} for e in net["edges"]]
    return {"nodes": nodes, "edges": edges, "outputs": net["outputs"]}


def _neuron(given: Json) -> Json:
    name, args = given["id"], given.get("args", {})
    known = {"threshold", "reset_v", "neg_threshold", "leak_v", "bias", "delay"}
    known |= {"tick_wait_start", "tick_wait_end"}
    strange = sorted(k for k, v in args.items() if k not in known or isinstance(v, dict))
    if given["kind"] != "neuron" or given["type"] not in ("IF", "LIF") or strange:
        raise unsupported(name, f"{given.get('type')} {' '.join(strange)} was not lowered")
    negative = args.get("neg_threshold")
    params = {
        "pos_threshold": args["threshold"],
        "reset_mode": "MODE_LINEAR" if args.get("reset_v") is None else "MODE_NORMAL",
        "reset_v": args.get("reset_v") or 0,
        "neg_threshold": FARTHEST if negative is None else abs(negative),
        "neg_thres_mode": "MODE_SATURATION",
        "leak_v": args.get("leak_v", 0) + args.get("bias", 0),
        "leak_direction": "MODE_FORWARD",
        "leak_comparison": "LEAK_BEFORE_COMP",
        "leak_integration_mode": "MODE_DETERMINISTIC",
        "syn_integration_mode": "MODE_DETERMINISTIC",
        "thres_mask_bits": 0,
        "init_v": 0,
        "delay": args.get("delay", 1),
        "tick_wait_start": args.get("tick_wait_start", 1),
        "tick_wait_end": args.get("tick_wait_end", 0),
    }
    return {**given, "params": params, "mode": "MODE_SNN", "pool_max": 0}
