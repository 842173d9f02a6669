"""Layers are known by class path: no framework, nor torch, is needed to look them up."""

import inspect
import re
from pathlib import Path

import pytest

from snnc.diagnostics import SnncError
from snnc.frontends.pytorch import Torch
from snnc.frontends.pytorch.registry import FRAMEWORKS, recognize

PAGE = Path(__file__).parents[4] / "docs" / "pytorch.md"


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_page_names_every_layer(framework):
    table = PAGE.read_text(encoding="utf-8").partition("## Layers")[2]
    named = set(re.findall(r"`([A-Za-z0-9]+)`", table))
    assert [] == sorted(set(FRAMEWORKS[framework].LAYERS) - named)


def test_other_modules_are_not_recognized():
    assert recognize(object(), "x") is None


def test_a_stateful_layer_that_is_not_known_is_refused_by_its_path():
    base = type("StatefulLayer", (), {"__module__": "sinabs.layers.stateful_layer"})
    new = type("BRF", (base,), {"__module__": "sinabs.layers.brf"})
    with pytest.raises(SnncError) as caught:
        recognize(new(), "net.3")
    assert "unsupported-layer" == caught.value.code
    assert "net.3 (sinabs.BRF)" in str(caught.value)


def test_without_torch_no_object_is_accepted():
    assert not Torch().accepts(object())


PLACES = {
    "snntorch": ["snntorch"],
    "spikingjelly": ["spikingjelly.activation_based.neuron", "spikingjelly.activation_based.layer"],
    "sinabs": ["sinabs.layers"],
    "norse": ["norse.torch"],
}
STATELESS = {
    "snntorch": {"GradedSpikes"},
    "spikingjelly": {
        *{f"{kind}{n}d" for kind in ("Conv", "ConvTranspose", "BatchNorm") for n in (1, 2, 3)},
        *{f"{kind}Pool{n}d" for kind in ("Avg", "Max", "AdaptiveAvg") for n in (1, 2, 3)},
        *{f"{kind}{n}d" for kind in ("ThresholdDependentBatchNorm",) for n in (1, 2, 3)},
        *{f"{kind}{n}d" for kind in ("TemporalEffectiveBatchNorm", "MaxUnpool") for n in (1, 2, 3)},
        *{"Flatten", "GroupNorm", "Linear", "Upsample", "VotingLayer", "WSConv2d", "WSLinear"},
        *{"MultiStepContainer", "SeqToANNContainer", "StepModeContainer", "PrintShapeModule"},
        *{"TLastMultiStepContainer", "TLastSeqToANNContainer", "TemporalBinSum"},
        *{"SpikeCountToBinary", "OTTTSequential", "SpikeTraceOp", "GradwithTrace"},
        *{"ChannelQKAttention", "QKAttention", "TokenQKAttention", "MultiDimensionalAttention"},
        *{"SpikeDrivenSelfAttention", "SpikingSelfAttention", "TemporalWiseAttention"},
        # Neurons that keep nothing from call to call: their thresholds are functions of torch.
        *{"PSN", "FewSpikeNode", "HGNode", "OutlierAwareThresholdNode", "NoisyNonSpikingIFNode"},
        *{"NoisyBaseNode", "NoisyCUBALIFNode", "NoisyILCBaseNode", "NoisyILCCUBALIFNode"},
        "NoisyNonSpikingBaseNode",
    },
    "sinabs": {
        *{"ChannelShift", "Cropping2dLayer", "FlattenTime", "UnflattenTime", "Merge", "Repeat"},
        *{"Img2SpikeLayer", "NeuromorphicReLU", "QuantizeLayer", "Sig2SpikeLayer"},
        "SpikingMaxPooling2dLayer",
    },
    "norse": {
        *{"SequentialState", "RecurrentSequential", "Lift", "RegularizationCell", "LConv2d"},
        *{"ConvNet", "ConvNet4", "MobileNetV2", "VGG", "PoissonEncoder", "PopulationEncoder"},
        *{"SignedPoissonEncoder", "SpikeLatencyEncoder", "SpikesToTimesDecoder"},
        *{"SpikeLatencyLIFEncoder", "ConstantCurrentLIFEncoder", "TemporalReceptiveField"},
        *{"SpatialReceptiveField2d", "SampledSpatialReceptiveField2d"},
        "ParameterizedSpatialReceptiveField2d",
        # They take their states as arguments and are made of functions of torch.
        *{"CobaLIFCell", "LILinearCell", "LIFCorrelation"},
    },
}
"""Modules of the frameworks that are captured as the functions of torch that they call."""


@pytest.mark.parametrize("framework", PLACES)
def test_every_module_of_a_framework_is_read_or_refused_or_has_no_state(framework):
    nn = pytest.importorskip("torch.nn", reason="torch is not installed (extra `torch`)")
    known = FRAMEWORKS[framework]
    found = {}
    for place in PLACES[framework]:
        module = pytest.importorskip(place, reason=f"{framework} is not installed")
        found |= {n: c for n, c in vars(module).items() if inspect.isclass(c)}
    own = {
        name: {c.__name__ for c in cls.__mro__}
        for name, cls in found.items()
        if issubclass(cls, nn.Module) and cls.__module__.partition(".")[0] == framework
    }
    assert own
    left = {n for n, bases in own.items() if not bases & {*known.LAYERS, *known.STATEFUL}}
    assert set() == left - STATELESS[framework]
    assert set() == set(known.LAYERS) - set(own)
