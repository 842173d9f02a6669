"""Networks of PyTorch: layers of sinabs, snnTorch, SpikingJelly and Norse, and functions of torch.

None of these packages is imported here; torch itself is, once a network is read.
"""

from snnc.frontends.pytorch.frontend import Torch

__all__ = ["Torch"]
