"""The fixed text of the script that a build has for the vendor's software; `@...@` is filled in."""

SCRIPT = '''"""Compile this build with the vendor's tools, or drive a chip that holds it.

Written by snnc.

    python deploy.py compile mapping_output       needs PyTorch, lyngor, the vendor's custom ops
    python deploy.py run mapping_output/Net_0 x.npy y.npy --steps 20 --device 0 [--callback]

x.npy holds (samples, steps, *shape) for one input; y.npy gets (samples, steps, outputs of a step as
float32 in a row). snnc had neither the tools nor a chip at hand: the calls are those that the
vendor's guides print, tested on stand-ins that record them.
"""

import argparse
import json
import queue
import threading
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
NAME = @NAME@
BATCH, VERSION = @BATCH@, @VERSION@
INPUTS = @INPUTS@
PARAMS = @PARAMS@
DTYPES = {"F32": "float32", "F16": "float16", "U8": "uint8", "I32": "int32", "I8": "int8"}
BUFFERS = 3


def parameters():
    """Return the values of parameters and constants that Net_0/params.safetensors holds."""
    data = (HERE / "Net_0" / "params.safetensors").read_bytes()
    size = int.from_bytes(data[:8], "little")
    table = json.loads(data[8 : 8 + size])
    table.pop("__metadata__", None)
    made = {}
    for name, entry in table.items():
        first, last = (8 + size + n for n in entry["data_offsets"])
        array = np.frombuffer(data[first:last], DTYPES[entry["dtype"]])
        made[name] = array.reshape(entry["shape"]).copy()
    section = (HERE / "Net_0" / "graph.relay").read_text().partition("#[metadata]")[2]
    for number, entry in enumerate(json.loads(section)["relay.Constant"]):
        if "value" in entry:
            held = np.full(entry["shape"], entry["value"], entry["dtype"])
            made["relay.Constant.%d" % number] = held
    return made


def network():
    """Return one time step as a module of PyTorch with the vendor's load, save and rand."""
    import torch
    import torch.nn.functional as F
    from custom_op_in_lyn.custom_op_load_save import load, rand, save

    def kept(value, flag, **place):
        save(value, flag, **place)
        return value

    class OneStep(torch.nn.Module):
        def __init__(self):
            super().__init__()
            values = parameters()
            for own, name in PARAMS.items():
                self.register_buffer(own, torch.from_numpy(values[name]))

        def forward(self, @ARGUMENTS@):
            @BODY@

    return OneStep().eval()


def compile_network(out):
    """Compile the step with the vendor's compiler into a folder; return what the compiler says."""
    import lyngor as lyn

    model = lyn.DLModel()
    shapes = {name: (tuple(shape), dtype) for name, shape, dtype in INPUTS}
    model.load(network(), model_type="Pytorch", inputs_dict=shapes)
    builder = lyn.Builder(target="apu", is_map=True)
    options = {"out_path": str(out), "version": VERSION, "run_batch": BATCH}
    return builder.build(model.mod, model.params, opt_level=3, **options)


def check(ret, what):
    """Stop where a call of the SDK fails."""
    if ret != 0:
        raise SystemExit("%s failed with %s" % (what, ret))


def failed(*told):
    """Say what the chip reports."""
    raise SystemExit("the device reports an error: %s" % (told,))


class Device:
    """A chip with a compiled model: two streams, an event, three rotating pairs of buffers."""

    def __init__(self, sdk, path, steps, device=0):
        self.sdk, self.steps, self.runs = sdk, steps, 0
        self.context = self._made("lyn_create_context", device)
        check(sdk.lyn_set_current_context(self.context), "lyn_set_current_context")
        check(sdk.lyn_register_error_handler(failed), "lyn_register_error_handler")
        self.sending = self._made("lyn_create_stream")
        self.receiving = self._made("lyn_create_stream")
        self.reset = self._made("lyn_create_event")
        self.model = self._made("lyn_load_model", str(path))
        desc = self._made("lyn_model_get_desc", self.model)
        self.batch = desc.inputTensorAttrArray[0].batchSize
        self.given = desc.inputDataLen * self.batch
        self.taken = desc.outputDataLen * self.batch
        self.free = queue.Queue()
        for _ in range(BUFFERS):
            pair = (self._made("lyn_malloc", n * steps) for n in (self.given, self.taken))
            self.free.put(tuple(pair))

    def _made(self, name, *args):
        made, ret = getattr(self.sdk, name)(*args)
        check(ret, name)
        return made

    def send(self, frames, done):
        """Send the steps of one batch, bytes in a row; `done` gets the outputs of all steps."""
        sdk, pair = self.sdk, self.free.get()
        check(sdk.lyn_set_current_context(self.context), "lyn_set_current_context")
        frames = np.ascontiguousarray(frames).view(np.uint8).reshape(-1)
        pointer = sdk.lyn_numpy_to_ptr(frames)
        way = sdk.lyn_memcpy_dir_t.ClientToServer
        size = self.given * self.steps
        check(sdk.lyn_memcpy_async(self.sending, pair[0], pointer, size, way), "lyn_memcpy_async")
        inputs, outputs = pair
        for step in range(self.steps):
            if step == 0:
                if self.runs:
                    check(sdk.lyn_stream_wait_event(self.sending, self.reset), "wait_event")
                check(sdk.lyn_model_reset_async(self.sending, self.model), "model_reset")
            sent = (self.sending, self.model, inputs, outputs, self.batch)
            check(sdk.lyn_model_send_input_async(*sent), "send_input")
            check(sdk.lyn_model_recv_output_async(self.receiving, self.model), "recv_output")
            inputs = sdk.lyn_addr_seek(inputs, self.given)
            outputs = sdk.lyn_addr_seek(outputs, self.taken)
        check(sdk.lyn_record_event(self.receiving, self.reset), "lyn_record_event")
        told = [self, pair, frames, done]
        check(sdk.lyn_stream_add_callback(self.receiving, received, told), "add_callback")
        self.runs += 1

    def finish(self):
        """Wait until all that was sent has come back."""
        for stream in (self.sending, self.receiving):
            check(self.sdk.lyn_synchronize_stream(stream), "lyn_synchronize_stream")


def received(told):
    """Copy the outputs of one batch to the host, and give its buffers back."""
    device, pair, _frames, done = told
    sdk = device.sdk
    held = np.zeros(device.taken * device.steps, np.uint8)
    way = sdk.lyn_memcpy_dir_t.ServerToClient
    pointer = sdk.lyn_numpy_to_ptr(held)
    check(sdk.lyn_memcpy(pointer, pair[1], held.nbytes, way), "lyn_memcpy")
    device.free.put(pair)
    done(held.view(np.float32).reshape(device.steps, device.batch, -1))
    return 0


def drive(device, x, callback=False):
    """Return (samples, steps, outputs) for (samples, steps, *shape); a last batch is filled up."""
    lanes, kind = device.batch, INPUTS[0][2]
    with np.errstate(invalid="ignore"):
        sent = x.astype(kind)
    if not np.array_equal(sent, x):
        raise SystemExit("the input has values that %s does not hold exactly" % kind)
    results, parts = queue.Queue(), []
    starts = range(0, len(x), lanes)

    def feed():
        for start in starts:
            part = sent[start : start + lanes]
            filled = np.zeros((lanes, *part.shape[1:]), kind)
            filled[: len(part)] = part
            device.send(np.moveaxis(filled, 0, 1), results.put)
            if not callback:
                device.finish()

    sender = threading.Thread(target=feed)
    sender.start()
    if not callback:
        sender.join()
    for _ in starts:
        parts.append(np.moveaxis(results.get(), 0, 1))
    sender.join()
    device.finish()
    return np.concatenate(parts)[: len(x)]


def main():
    try:
        command(arguments())
    except ModuleNotFoundError as error:
        raise SystemExit("%s is not installed: it comes with PyTorch or the vendor" % error.name)


def arguments():
    parser = argparse.ArgumentParser(description="%s on a KA200" % NAME)
    commands = parser.add_subparsers(dest="command", required=True)
    compiling = commands.add_parser("compile", help="make the chip's files with lyngor")
    compiling.add_argument("out", help="folder for them")
    running = commands.add_parser("run", help="drive a chip with pylynchipsdk")
    running.add_argument("model", help="folder Net_0 of what compile made")
    running.add_argument("x", help=".npy of inputs: samples, ticks, shape")
    running.add_argument("y", help=".npy to write")
    running.add_argument("--steps", type=int, required=True, help="ticks of a sample")
    running.add_argument("--device", type=int, default=0, help="number of the chip")
    running.add_argument("--callback", action="store_true", help="send while results come back")
    return parser.parse_args()


def command(args):
    if args.command == "compile":
        print(compile_network(args.out))
        return
    import pylynchipsdk as sdk

    x = np.load(args.x, allow_pickle=False)
    device = Device(sdk, args.model, args.steps, args.device)
    np.save(args.y, drive(device, x[:, : args.steps], args.callback))


if __name__ == "__main__":
    main()
'''
