"""Networks leave and enter as NIR files, with a statement of what was assumed."""

NET = """network main {
  input x: u1[3]~
  return x |> linear([[1, 2, 3], [0, 1, 2]]) |> IF(threshold=3)
}
"""


def test_a_network_comes_back_from_a_nir_file_as_it_was(snnc, tmp_path):
    (tmp_path / "net.snnl").write_text(NET)
    path = tmp_path / "net.nir"
    assert snnc("dump", str(tmp_path / "net.snnl"), "--to", str(path)).exit_code == 0
    shown = snnc("dump", str(path), "--no-locs")
    assert snnc("dump", str(tmp_path / "net.snnl"), "--no-locs").stdout == shown.stdout


def test_an_unknown_format_is_refused(snnc, tmp_path):
    (tmp_path / "net.snnl").write_text(NET)
    refused = snnc("dump", str(tmp_path / "net.snnl"), "--to", str(tmp_path / "net.onnx"))
    assert refused.exit_code == 1
    assert "bad-export" in refused.stderr
    assert not (tmp_path / "net.onnx").exists()
