"""The Python of docs/paibox.md runs, in its order."""

import contextlib
import io
import re
from pathlib import Path

from snnc.frontends.paibox.modules import _TABLE
from snnc.frontends.paibox.presets import PRESETS
from snnc.frontends.paibox.streamed import STREAMED

PAGE = Path(__file__).parents[4] / "docs" / "paibox.md"


def test_the_examples_run_and_export(tmp_path):
    space, printed = {}, io.StringIO()
    with contextlib.chdir(tmp_path), contextlib.redirect_stdout(printed):
        for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S):
            exec(compile(code, "docs/paibox.md", "exec"), space)
    assert ["(16, 10)", "2"] == printed.getvalue().split("\n")[:2]
    assert (tmp_path / "digits" / "config_all.npy").is_file()


def test_the_page_names_every_class_that_is_read():
    text = PAGE.read_text()
    for name in (*PRESETS, *_TABLE, *STREAMED):
        words = [name, re.sub(r"(1d|2d)(WithV)?$", "", name)]
        words.append(name.removeprefix("Bitwise"))
        assert any(f"`{word}" in text for word in words), name
