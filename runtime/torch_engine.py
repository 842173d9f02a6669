"""The torch engine: the schedule of the numpy engine with tensors of PyTorch, for those with a GPU.

Only what is exact by construction runs in torch: products of bytes in 32 bits, floats below a
proven bound, single float operations. Convolutions are products of gathered windows, so that no
library chooses among algorithms. An op without a kernel here runs in the numpy engine, with a note.
"""

import importlib
import os
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from attrs import frozen

from snnc.diagnostics import fail
from snnc.ir.graph import Module

if TYPE_CHECKING:
    from snnc.runtime.torch_program import TorchProgram


@frozen
class TorchEngine:
    """PyTorch on a device: `cpu`, `cuda`, `cuda:1`; empty for SNNC_TORCH_DEVICE, else the best."""

    device: str = ""
    name: str = "torch"
    levels: tuple[str, ...] = ("snn", "int")

    def prepare(self, module: Module) -> "TorchProgram":
        """Return a program, whose `notes` tell what does not run in torch.

        Raises:
            SnncError: what the reference raises; `missing-package`, `bad-device`.
        """
        if find_spec("torch") is None:
            raise fail(
                "missing-package",
                "the torch engine needs the package torch, which is not installed",
                help="pip install snnc[torch], or take --engine native or numpy",
            )
        from snnc.runtime.torch_program import TorchProgram

        return TorchProgram(module, _device(self.device or os.environ.get("SNNC_TORCH_DEVICE", "")))


def _device(name: str) -> Any:
    """Return a device of torch; without a name cuda where there is one, else the processor."""
    torch = importlib.import_module("torch")
    name = name or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise fail(
            "bad-device",
            f"torch has no device {name!r} here: {reason}",
            help="cpu always works; cuda needs a GPU and a torch that was built for it",
        ) from None
    return device
