import pytest

from snnc.diagnostics import (
    UNKNOWN,
    Diagnostics,
    Location,
    Severity,
    SnncError,
    at,
    fail,
    fuse,
    named,
    nearest,
    render,
)


def test_a_location_reads_as_editors_expect():
    assert "net.py:3:7" == str(at("net.py", 3, 7))
    assert "net.py:3" == str(at("net.py", 3))
    assert "fc1" == str(named("fc1"))
    assert "unknown place" == str(UNKNOWN)


def test_equal_places_are_one_object():
    assert at("net.py", 3) is at("net.py", 3)
    assert named("fc1") is named("fc1")


def test_a_fusion_is_flat_ordered_and_without_repeats():
    a, b, c = at("net.py", 1), named("b"), at("net.py", 3)
    assert (a, b, c) == fuse(fuse(a, b), UNKNOWN, b, c).fused
    assert "net.py:1, b, net.py:3" == str(fuse(a, b, c))


def test_a_fusion_of_one_place_is_that_place():
    assert named("a") == fuse(named("a"), UNKNOWN, named("a"))
    assert fuse() == UNKNOWN
    assert not fuse(UNKNOWN).known


def test_an_error_carries_code_place_notes_and_help():
    error = fail("too-wide", "7 bits", at("net.py", 2, 1), notes=["n"], help="h", exit_status=4)
    assert ("too-wide", 4) == (error.code, error.exit_status)
    assert "net.py:2:1: error[too-wide]: 7 bits" == str(error)
    assert (("n",), "h") == (error.diagnostics[0].notes, error.diagnostics[0].help)


def test_only_errors_stop():
    found = Diagnostics()
    found.warn("slow", "this is slow", help="wait")
    found.check()
    assert [] == found.errors
    found.error("bad", "one")
    found.error("worse", "two")
    with pytest.raises(SnncError) as caught:
        found.check(exit_status=4)
    assert ["bad", "worse"] == [d.code for d in caught.value.diagnostics]
    assert caught.value.exit_status == 4
    assert ["warning", "error", "error"] == [d.severity.value for d in found]
    assert found.items[0].severity is Severity.WARNING


def test_the_nearest_word_is_offered():
    assert "did you mean 'threshold'?" == nearest("treshold", ["threshold", "reset"])
    assert "known: reset, threshold" == nearest("zzz", ["threshold", "reset"])
    assert "there are none" == nearest("x", [])


def test_a_rendered_error_shows_the_source_line_and_a_caret(tmp_path):
    source = tmp_path / "net.py"
    source.write_text("one\n\tx = y\n")
    error = fail("bad", "no", at(str(source), 2, 4), notes=["it was y"], help="write z")
    lines = render(error.diagnostics[0]).split("\n")
    assert [f"{source}:2:4: error[bad]: no", "  \tx = y", "  \t  ^"] == lines[:3]
    assert ["  note: it was y", "  help: write z"] == lines[3:]


def test_a_fused_error_shows_its_first_place(tmp_path):
    source = tmp_path / "net.py"
    source.write_text("first\nsecond\n")
    error = fail("bad", "no", fuse(at(str(source), 2), named("fc")))
    assert "  second" == render(error.diagnostics[0]).split("\n")[1]


@pytest.mark.parametrize("loc", [UNKNOWN, named("fc"), at("no-such-file.py", 1, 2)])
def test_a_place_without_text_renders_as_one_line(loc):
    assert "\n" not in render(fail("bad", "no", loc).diagnostics[0])


@pytest.mark.parametrize(
    ("column", "before", "after"),
    [(0, "", "..."), (1, "", "..."), (3000, "...", "..."), (6000, "...", "")],
)
def test_of_a_long_line_what_surrounds_the_column_is_shown(tmp_path, column, before, after):
    source = tmp_path / "net.snn"
    text = "".join(f"{n:05}" for n in range(1200))
    source.write_text(text)
    shown = render(fail("bad", "no", Location(str(source), 1, column)).diagnostics[0]).split("\n")
    cut = shown[1][2:].removeprefix("...").removesuffix("...")
    assert 160 == len(cut)
    assert f"  {before}{cut}{after}" == shown[1]
    if column:
        caret = shown[2].index("^") - 2 - len(before)
        assert column - 1 == text.index(cut) + caret
    else:
        assert 2 == len(shown)


def test_a_line_past_the_end_renders_as_one_line(tmp_path):
    source = tmp_path / "net.py"
    source.write_text("one\n")
    assert "\n" not in render(fail("bad", "no", Location(str(source), 9, 1)).diagnostics[0])
