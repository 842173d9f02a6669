"""Layers without a membrane: the shapes and sums of torch, whatever the nir package infers."""

import numpy as np
import pytest

from snnc.frontends.nir import statement

RNG = np.random.default_rng(5)


def conv(weight, axes=2, **fields):
    channels = weight.shape[0]
    ints = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1} | fields
    return {"weight": weight, "bias": np.arange(channels, dtype=np.float32), **ints}


def whole(*shape):
    return RNG.integers(-3, 4, shape).astype(np.float32)


def convolved(x, w, bias, stride, before, after, dilation, groups):
    """Cross-correlation of one value (C, H, W), tap by tap."""
    x = np.pad(x, [(0, 0), *zip(before, after, strict=True)])
    spans = [d * (k - 1) + 1 for k, d in zip(w.shape[2:], dilation, strict=True)]
    sizes = [(n - s) // t + 1 for n, s, t in zip(x.shape[1:], spans, stride, strict=True)]
    y = np.zeros((w.shape[0], *sizes)) + bias[:, None, None]
    each, out = w.shape[1], w.shape[0] // groups
    for g in range(groups):
        for a in range(w.shape[2]):
            for b in range(w.shape[3]):
                rows = slice(a * dilation[0], a * dilation[0] + stride[0] * sizes[0], stride[0])
                cols = slice(b * dilation[1], b * dilation[1] + stride[1] * sizes[1], stride[1])
                part = x[g * each : (g + 1) * each, rows, cols]
                taps = w[g * out : (g + 1) * out, :, a, b]
                y[g * out : (g + 1) * out] += np.einsum("oc,chw->ohw", taps, part)
    return y


CONVS = {
    "plain": {},
    "non-square": {"kernel": (3, 5)},
    "stride": {"stride": (2, 1)},
    "padding": {"padding": (1, 2)},
    "one number for both axes": {"padding": 1, "stride": 2},
    "dilation": {"dilation": (2, 1)},
    "groups": {"groups": 2},
    "same": {"padding": "same", "kernel": (4, 3)},
    "same and dilated": {"padding": "same", "kernel": (4, 3), "dilation": (1, 2)},
    "valid": {"padding": "valid", "kernel": (3, 5)},
}


@pytest.mark.parametrize("name", CONVS)
def test_a_convolution_is_that_of_torch(name, chain, load, run):
    case = dict(CONVS[name])
    groups, kernel = case.get("groups", 1), case.pop("kernel", (3, 3))
    w = whole(4, 4 // groups, *kernel)
    module = load(chain("Conv2d", conv(w, **case), shape=(4, 8, 8)), input="f32")
    x = whole(4, 8, 8)

    def pair(key, usual):
        return tuple(np.broadcast_to(case.get(key, usual), (2,)).tolist())

    dilation = pair("dilation", 1)
    before = after = pair("padding", 0) if not isinstance(case.get("padding"), str) else (0, 0)
    if case.get("padding") == "same":
        total = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        before = tuple(n // 2 for n in total)
        after = tuple(n - n // 2 for n in total)
    wanted = convolved(x, w, np.arange(4.0), pair("stride", 1), before, after, dilation, groups)
    assert wanted.tolist() == run(module, x[None])[0].tolist()


def test_one_dimension_is_the_same(chain, load, run):
    w, x = whole(2, 3, 3), whole(3, 8)
    module = load(chain("Conv1d", conv(w, stride=2, padding=1), shape=(3, 8)), input="f32")
    wanted = convolved(x[:, None], w[:, :, None], np.arange(2.0), (1, 2), (0, 1), (0, 1), (1, 1), 1)
    assert wanted[:, 0].tolist() == run(module, x[None])[0].tolist()


def test_a_file_of_the_package_has_the_same_convolution(package_files, load, run):
    for version in ("0.2.0", "1.0.4", "1.0.8"):
        module = load(package_files / f"spec_conv2d_{version}.nir", input="f32")
        assert (4, 6, 6) == run(module, np.ones((1, 3, 8, 8)))[0].shape


def test_same_with_a_stride_has_no_agreed_meaning(chain, refused):
    fields = conv(whole(4, 4, 3, 3), padding="same", stride=2)
    found = refused(chain("Conv2d", fields, shape=(4, 8, 8)))
    assert ("nir-ambiguous", "n") == (found.code, found.loc.name)


def test_shapes_that_the_nir_package_infers_wrongly_are_set_right(net, load):
    w = whole(4, 3, 3, 5)
    nodes = {
        "x": ("Input", {"shape": [3, 8, 8]}),
        "a": ("Conv2d", conv(w, input_shape=[8, 8])),
        "b": ("Conv2d", conv(whole(2, 4, 3, 3), input_shape=[6, 6])),
        "y": ("Output", {"shape": [2, 4, 4]}),
    }
    module = load(net(nodes, "x>a a>b b>y"))
    assert (2, 4, 2) == module.graph.outputs[0].type.shape
    assert any("b: input_shape [6, 6]" in line for line in statement(module))


def test_a_stated_shape_that_is_wrong_otherwise_is_refused(chain, refused):
    fields = conv(whole(4, 3, 3, 3), input_shape=[9, 9])
    found = refused(chain("Conv2d", fields, shape=(3, 8, 8)))
    assert ("nir-shape", "n") == (found.code, found.loc.name)
    assert "[9, 9]" in found.message


@pytest.mark.parametrize(("kind", "divisor"), [("SumPool2d", 1), ("AvgPool2d", 8)])
def test_pools_sum_windows(kind, divisor, package_files, load, run):
    module = load(package_files / f"spec_{kind.lower()}_1.0.8.nir", input="f32")
    x = whole(2, 4, 8)
    wanted = x.reshape(2, 2, 2, 2, 4).sum((2, 4)) / divisor
    assert wanted.tolist() == run(module, x[None])[0].tolist()


def test_whether_padding_counts_in_a_mean_must_be_said(chain, load, refused, run):
    fields = {"kernel_size": [2, 2], "stride": [2, 2], "padding": [1, 1]}
    path = chain("AvgPool2d", fields, shape=(1, 2, 2))
    assert "nir-ambiguous" == refused(path).code
    x = np.ones((1, 1, 2, 2))
    assert 0.25 == run(load(path, input="f32", padded=True), x).max()
    assert 1.0 == run(load(path, input="f32", padded=False), x).max()
    assert load(path, profile="spikingjelly").graph.ops[0]["count_padding"]


@pytest.mark.parametrize(
    ("start", "end", "shape"),
    [(1, -1, (2, 12)), (0, -1, (24,)), (0, 1, (6, 4)), (-2, -1, (2, 12)), (1, 1, (2, 3, 4))],
)
def test_flatten_counts_axes_without_a_batch(start, end, shape, chain, load):
    module = load(chain("Flatten", {"start_dim": start, "end_dim": end}, shape=(2, 3, 4)))
    assert shape == module.graph.outputs[0].type.shape


@pytest.mark.parametrize(("start", "end"), [(3, -1), (1, 3), (2, 1)])
def test_flatten_outside_its_input_is_refused(start, end, chain, refused):
    fields = {"start_dim": start, "end_dim": end}
    assert "nir-shape" == refused(chain("Flatten", fields, shape=(2, 3, 4))).code


def test_products_over_leading_axes_are_taken_one_by_one(chain, load, run):
    w, b, x = whole(3, 2, 4), whole(3, 2), whole(3, 4)
    module = load(chain("Affine", {"weight": w, "bias": b}, shape=(3, 4)), input="f32")
    wanted = np.einsum("bmn,bn->bm", w, x) + b
    assert wanted.tolist() == run(module, x[None])[0].tolist()


def test_too_many_products_are_refused(chain, refused):
    w = np.zeros((400, 32, 32), np.float32)
    found = refused(chain("Linear", {"weight": w}, shape=(400, 32)))
    assert ("nir-unsupported", "n") == (found.code, found.loc.name)


@pytest.mark.parametrize("scale", [[2.0, 3.0, 4.0], [2.0]])
def test_scale_multiplies(scale, chain, load, run):
    module = load(chain("Scale", {"scale": scale}, shape=(3,)))
    assert [s * 1 for s in np.broadcast_to(scale, 3).tolist()] == run(module, [[1, 1, 1]])[
        0
    ].tolist()


def test_axes_written_as_one_are_repeated_and_others_are_not(chain, load, refused, run):
    column = np.array([[[2.0]], [[3.0]]])
    module = load(chain("Scale", {"scale": column}, shape=(2, 2, 2)))
    assert [[[2, 2], [2, 2]], [[3, 3], [3, 3]]] == run(module, np.ones((1, 2, 2, 2)))[0].tolist()
    assert "nir-shape" == refused(chain("Scale", {"scale": [2.0, 3.0]}, shape=(2, 2, 2))).code


@pytest.mark.parametrize(
    ("kind", "fields", "shape"),
    [
        ("Linear", {"weight": np.ones((2, 3))}, (4,)),
        ("Linear", {"weight": np.ones((2, 3))}, (1, 10, 3)),
        ("Linear", {"weight": np.ones(3)}, (3,)),
        ("Affine", {"weight": np.ones((2, 3)), "bias": np.ones(3)}, (3,)),
        ("Conv2d", conv(np.ones((4, 3, 3, 3), np.float32)), (3, 8)),
        ("Conv2d", {**conv(np.ones((4, 3, 3, 3), np.float32)), "bias": np.ones(3)}, (3, 8, 8)),
        ("IF", {"r": np.ones(3), "v_threshold": np.ones(3)}, (4,)),
        ("Input", {"shape": [0]}, (1,)),
    ],
)
def test_shapes_that_do_not_meet_are_refused_at_their_node(kind, fields, shape, chain, refused):
    found = refused(chain(kind, fields, shape=shape), profile="spec", dt=1.0)
    assert found.code in ("nir-shape", "nir-edge")
    assert "n" == found.loc.name


@pytest.mark.parametrize(
    "fields", [{"stride": 0}, {"stride": [1, 1, 1]}, {"padding": -1}, {"dilation": 0}]
)
def test_numbers_that_make_no_window_are_refused(fields, chain, refused):
    path = chain("Conv2d", conv(whole(4, 3, 3, 3), **fields), shape=(3, 8, 8))
    assert "nir-value" == refused(path).code
