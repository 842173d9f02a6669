"""Whole builds against what the vendor's tool wrote for the same one-core networks.

`EXPECTED` holds the first 16 digits of SHA-256 of the recorded frames and JSON files; the networks
themselves are among the golden cases. Only names that the vendor's process counts are ours.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from snnc.targets.paicore.check import check
from snnc.targets.paicore.emit import emit
from snnc.targets.paicore.options import Options
from tests.unit.targets.paicore.placed_modules import Placement

CASES = Path(__file__).parents[3] / "golden" / "paibox"
FILES = (
    "config_all.bin",
    "core_params.json",
    "input_proj_info.json",
    "output_dest_info.json",
    "graph_info.json",
)
EXPECTED = {
    "01_fc_if_soft_int8": (
        "b4fd22bb185467e9",
        "29cddb28587c250c",
        "94ae06c78e46ff60",
        "03036c29042af63c",
        "ab40df84682f6475",
    ),
    "03_fc_lif_leak_negthr": (
        "71b56e3da77d8348",
        "29cddb28587c250c",
        "94ae06c78e46ff60",
        "03036c29042af63c",
        "ab40df84682f6475",
    ),
    "05_lif_bias_channel": (
        "8b45fd2d24dc9a33",
        "a7aec18d392d617f",
        "a04126ad5a65fa68",
        "db6380e4091053e7",
        "ab40df84682f6475",
    ),
    "12_conv1d_stride_pad": (
        "3b41f04062ba1c5c",
        "33e7831140ba4306",
        "aa90bc79849a9136",
        "94c99a1add2ddb72",
        "ab40df84682f6475",
    ),
    "18_convtranspose1d": (
        "a553aafb7e79ad9f",
        "af379548eb3bdc91",
        "e115fcda7a259635",
        "5ca54d69ca0b76b6",
        "ab40df84682f6475",
    ),
    "34_phasic": (
        "a166a32ff5b7e967",
        "84397c6f148c3e91",
        "52c177de6602373f",
        "96e0ee3539dbd571",
        "df548c3827b92b52",
    ),
    "37_raw_noreset": (
        "102a553eb6bec423",
        "a495761f4b50a1cd",
        "9e54743e26c28513",
        "4d11f9bf9b53ab21",
        "df548c3827b92b52",
    ),
    "38_raw_negreset_linear": (
        "f43aef6dfc9ece5d",
        "6b6ed18e4dd4ce03",
        "7b2771bb0caa6b66",
        "943439a119157030",
        "df548c3827b92b52",
    ),
    "38_raw_negreset_normal": (
        "f09582bb642a4bfe",
        "6b6ed18e4dd4ce03",
        "7b2771bb0caa6b66",
        "943439a119157030",
        "df548c3827b92b52",
    ),
    "39_raw_leak_after_comp": (
        "f04b238e0efe6c6e",
        "6b6ed18e4dd4ce03",
        "7b2771bb0caa6b66",
        "943439a119157030",
        "df548c3827b92b52",
    ),
}
CODES = {
    "MODE_NORMAL": 0,
    "MODE_LINEAR": 1,
    "MODE_NONRESET": 2,
    "MODE_RESET": 0,
    "MODE_SATURATION": 1,
    "LEAK_BEFORE_COMP": 0,
    "LEAK_AFTER_COMP": 1,
    "MODE_FORWARD": 0,
    "MODE_REVERSAL": 1,
}


def placed(case: str):
    """Return the network of a golden case on core (0, 0)."""
    lowered = json.loads((CASES / case / "lowered.json").read_text())
    arrays = np.load(CASES / case / "lowered.npz")
    source, neuron = lowered["nodes"]
    (edge,) = lowered["edges"]
    params = neuron["params"]
    leak = params["leak_v"]
    b = Placement("DynSysGroup_0")
    size = int(np.prod(neuron["shape"]))
    x = b.input(source["id"], f"u1[{int(np.prod(source['shape']))}]~")
    b.neurons(
        size,
        threshold=params["pos_threshold"],
        negative=params["neg_threshold"],
        negative_mode=CODES[params["neg_thres_mode"]],
        leak=arrays[leak["array"]] if isinstance(leak, dict) else leak,
        leak_after=CODES[params["leak_comparison"]],
        leak_reversal=CODES[params["leak_direction"]],
        reset=CODES[params["reset_mode"]],
        reset_to=params["reset_v"],
        truncate=params["bit_trunc"],
        axon=np.arange(size),
    )
    weights = arrays[edge["connectivity"]].T
    here = b.arrive(x, "x.0", (0, 0))
    core = b.core(
        weights,
        here,
        at=(0, 0),
        bits=edge["weight_width"],
        start=params["tick_wait_start"],
        ticks=params["tick_wait_end"],
    )
    return b.finish(b.output(b.layer(neuron["id"], core)))


@pytest.mark.parametrize("case", EXPECTED)
def test_every_file_is_the_vendors_byte_for_byte(case, tmp_path):
    module = placed(case)
    assert [] == check(module).items
    emit(module, tmp_path, Options())
    found = [hashlib.sha256((tmp_path / n).read_bytes()).hexdigest()[:16] for n in FILES]
    assert dict(zip(FILES, EXPECTED[case], strict=True)) == dict(zip(FILES, found, strict=True))
