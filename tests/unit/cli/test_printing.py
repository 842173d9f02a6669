"""Tables and JSON."""

import json
import os
import re
import sys

from snnc.cli.printing import show_json, show_pairs, show_table


def test_json_holds_no_number_that_json_lacks(capsys):
    show_json({"a": [1.5, float("nan")], "b": (float("-inf"), None), "c": "ö"})
    shown = capsys.readouterr().out
    assert json.loads(shown) == {"a": [1.5, "nan"], "b": ["-inf", None], "c": "ö"}
    assert "ö" in shown


def test_numbers_stand_to_the_right_and_lines_have_no_blanks_at_the_end(capsys):
    show_table(("name", "count"), [("a", 1), ("bcd", 1000)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[2:] == ["a          1", "bcd     1000"]
    assert [line for line in lines if line != line.rstrip()] == []


def test_an_empty_table_says_so(capsys):
    show_table(("name",), [], "Title", "  none")
    assert capsys.readouterr().out == "Title\n  none\n"


def test_a_long_cell_is_not_cut_in_a_pipe(capsys):
    show_table(("a", "b"), [("x" * 300, "y" * 300)])
    assert "y" * 300 in capsys.readouterr().out


def test_a_narrow_terminal_breaks_words_but_no_number(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((30, 24)))
    numbers = ["1,234,567", "7,654,321", "1,111,111"]
    show_table(("layer", "operations", "deliveries", "links"), [("a b " * 20, *numbers)])
    shown = capsys.readouterr().out
    assert [True] * 3 == [number in shown for number in numbers]
    assert max(len(line) for line in re.sub(r"\x1b\[\d*m", "", shown).splitlines()) < 50


def test_pairs_are_aligned(capsys):
    show_pairs({"a": True, "long": None, "b": (1, 2), "c": 0.123456}, "  ")
    assert capsys.readouterr().out == "  a     yes\n  long  -\n  b     1, 2\n  c     0.1235\n"
