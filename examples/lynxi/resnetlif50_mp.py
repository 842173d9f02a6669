# ruff: noqa: C408
"""ResNetLif50 in two model slices on two by two devices, as configurations of BIDL say it.

    snnc compile examples/lynxi/resnetlif50_mp.py -t lynxi -o build
    snnc matrix build

Read as data, never run. The first slice has the stem and six blocks, the second the other ten.
"""

network = dict(
    type="ResNetLifItout_MP",
    depth=50,
    timestep=10,
    nclass=10,
    input_channels=2,
    down_t=[1, "avg"],
    cmode="spike",
    soma_params="channel_share",
    noise=1e-5,
)
model_0 = dict(type="ImageClassifier", backbone=dict(split=[0, 6], **network), neck=None)
model_1 = dict(type="ImageClassifier", backbone=dict(split=[6, 16], **network), neck=None)
models_compile_inputshape = [[1, 2, 128, 128], [1, 512, 16, 16]]
lynxi_devices = [[0, 1], [2, 3]]
