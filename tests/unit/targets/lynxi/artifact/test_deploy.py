"""The script for the vendor's software, run on stand-ins that record its calls."""

import subprocess
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from snnc.extend.foreign import load_file
from snnc.targets.lynxi.artifact.assemble import to_artifact
from snnc.targets.lynxi.devices.calls import sequence
from snnc.targets.lynxi.emulate import Emulator
from tests.golden.test_lynxi_relay import convolutions, turned
from tests.unit.targets.lynxi.networks import build, small, train

STREAMS = ("lyn_memcpy_async", "lyn_stream_wait_event", "lyn_model_reset_async")
STREAMS += ("lyn_model_send_input_async", "lyn_model_recv_output_async")
STREAMS += ("lyn_record_event", "lyn_stream_add_callback")


class Sdk:
    """A stand-in of the SDK: memory is bytes, a model is our emulator, calls act at once."""

    lyn_memcpy_dir_t = SimpleNamespace(ClientToServer="C2S", ServerToClient="S2C")

    def __init__(self, program, given, taken):
        self.program, self.calls, self.state = program, [], None
        self.desc = SimpleNamespace(
            inputTensorAttrArray=[SimpleNamespace(batchSize=program.artifact.batch)],
            inputDataLen=given,
            outputDataLen=taken,
        )

    def __getattr__(self, name):
        if not name.startswith("lyn_"):
            raise AttributeError(name)

        def call(*args):
            self.calls.append((name, *args[:1]))
            return getattr(self, f"do_{name[4:]}", lambda *_: 0)(*args)

        return call

    def do_create_context(self, device):
        return f"context {device}", 0

    def do_create_stream(self):
        return ("s", "r")[[c[0] for c in self.calls].count("lyn_create_stream") - 1], 0

    def do_create_event(self):
        return "event", 0

    def do_load_model(self, path):
        return "model", 0

    def do_model_get_desc(self, model):
        return self.desc, 0

    def do_malloc(self, size):
        return (np.zeros(size, np.uint8), 0), 0

    def do_numpy_to_ptr(self, array):
        return (array, 0)

    def do_addr_seek(self, address, size):
        return (address[0], address[1] + size)

    def do_memcpy_async(self, stream, to, source, size, way):
        to[0][:size] = source[0][:size]
        return 0

    def do_memcpy(self, to, source, size, way):
        to[0][:size] = source[0][:size]
        return 0

    def do_model_reset_async(self, stream, model):
        self.state = None
        return 0

    def do_model_send_input_async(self, stream, model, inputs, outputs, lanes):
        size = self.desc.inputDataLen * lanes
        (port,) = self.program.artifact.inputs
        raw = inputs[0][inputs[1] : inputs[1] + size].view(port.dtype)
        x = raw.reshape(lanes, 1, -1)
        ran = self.program.run({port.name: x}, ticks=1, state=self.state)
        self.state = ran.state
        made = np.concatenate([a.reshape(lanes, -1) for a in ran.outputs.values()], axis=1)
        raw = np.ascontiguousarray(made, np.float32).view(np.uint8).reshape(-1)
        outputs[0][outputs[1] : outputs[1] + raw.size] = raw
        return 0

    def do_stream_add_callback(self, stream, function, told):
        return function(told)


@pytest.fixture
def made(tmp_path):
    """A build of two lanes in a folder, and its script as a module."""
    folder = build(small(), batch=2).save(tmp_path / "build")
    return folder, load_file(folder / "deploy.py", "plugin-failed", "deploy.py")


@pytest.mark.parametrize("callback", [False, True])
def test_the_chip_is_driven_by_the_calls_of_the_simulated_runtime(made, callback):
    folder, script = made
    program, x = Emulator(folder), train((5, 4, 6))
    sdk = Sdk(program, 24, 12)
    device = script.Device(sdk, "mapping_output/Net_0", 4)
    y = script.drive(device, x.astype(np.float32), callback)
    np.testing.assert_array_equal(program.run({"x": x}).outputs["digit"], y)
    by_stream = sequence(3, 4)
    for stream, calls in by_stream.items():
        actual = [c[0] for c in sdk.calls if c[0] in STREAMS and c[1] == stream]
        assert [c.name for c in calls] == actual
    begin = ["create_context", "set_current_context", "register_error_handler"]
    begin += ["create_stream", "create_stream", "create_event", "load_model", "model_get_desc"]
    assert begin == [c[0].removeprefix("lyn_") for c in sdk.calls[: len(begin)]]


def test_a_call_that_fails_and_an_input_that_is_not_exact_stop_the_script(made):
    folder, script = made
    sdk = Sdk(Emulator(folder), 24, 12)
    sdk.do_create_stream = lambda: (None, 7)
    with pytest.raises(SystemExit, match="lyn_create_stream failed with 7"):
        script.Device(sdk, "Net_0", 2)
    device = script.Device(Sdk(Emulator(folder), 24, 12), "Net_0", 2)
    with pytest.raises(SystemExit, match="does not hold exactly"):
        script.drive(device, np.full((1, 2, 6), 0.1))


def stand_ins(monkeypatch):
    """Put stand-ins of the vendor's compiler and custom ops into place; return what they note."""
    torch = pytest.importorskip("torch")
    noted, states = [], {}

    def load(tensor, flag):
        return states.get(flag, tensor)

    def save(tensor, flag):
        noted.append(flag)
        states[flag] = tensor

    def rand(x, size, init, mode):
        return torch.full(size, 0.25, dtype=torch.float16)

    class Model:
        mod, params = "mod", "params"

        def load(self, network, **options):
            noted.append(("load", options))
            self.network = network

    class Builder:
        def __init__(self, **options):
            noted.append(("builder", options))

        def build(self, mod, params, **options):
            noted.append(("build", mod, params, options))
            return options["out_path"]

    ops = ModuleType("custom_op_in_lyn.custom_op_load_save")
    ops.load, ops.save, ops.rand = load, save, rand
    lyngor = ModuleType("lyngor")
    lyngor.DLModel, lyngor.Builder = Model, Builder
    for name, module in {
        "custom_op_in_lyn": ModuleType("custom_op_in_lyn"),
        ops.__name__: ops,
    }.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "lyngor", lyngor)
    return torch, noted


def test_the_compiler_is_called_as_the_vendors_guide_calls_it(made, monkeypatch):
    _, noted = stand_ins(monkeypatch)
    assert "out" == made[1].compile_network("out")
    (_, given), (_, target), (_, mod, params, options) = [n for n in noted if isinstance(n, tuple)]
    assert {"data_0": ((1, 6), "float32")} == given["inputs_dict"]
    assert {"target": "apu", "is_map": True} == target
    assert ("mod", "params") == (mod, params)
    assert {"opt_level": 3, "out_path": "out", "version": 1, "run_batch": 2} == options


@pytest.mark.parametrize("module", [small(), convolutions(), turned()], ids=lambda m: m.name)
def test_the_rebuilt_module_gives_the_spikes_of_the_graph(module, monkeypatch, tmp_path):
    torch, noted = stand_ins(monkeypatch)
    built = build(module)
    folder = built.save(tmp_path / "build")
    network = load_file(folder / "deploy.py", "plugin-failed", "deploy.py").network()
    program = Emulator.of(to_artifact(built.placed))
    shape = module.graph.inputs[0].type.shape
    x = train((1, 6, *shape), rate=0.4)
    expected = next(iter(program.run({"x": x}).outputs.values()))
    for tick in range(6):
        with torch.no_grad():
            made = network(torch.from_numpy(x[:, tick].astype(np.float32)))
        first = made[0] if isinstance(made, tuple) else made
        np.testing.assert_array_equal(expected[0, tick], first.numpy()[0])
    assert 6 * len(program.flags) // 2 == len(noted)


@pytest.mark.parametrize(
    ("words", "package"),
    [(("compile", "out"), ("torch", "lyngor")), (("run", "m", "x", "y", "--steps", "1"), ("pyl",))],
)
def test_what_is_not_installed_is_named_without_a_traceback(made, words, package):
    done = subprocess.run(
        [sys.executable, made[0] / "deploy.py", *words], capture_output=True, text=True, check=False
    )
    assert 1 == done.returncode
    assert 1 == len(done.stderr.splitlines())
    assert done.stderr.startswith(package)
    assert "is not installed" in done.stderr
