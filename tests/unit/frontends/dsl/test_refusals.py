"""What cannot be read is refused at its place; nothing a file says raises anything else."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snnc.diagnostics import SnncError
from snnc.frontends.dsl import read_text

SOURCES = [
    p.read_text(encoding="utf-8").partition("# ---- out\n")[0]
    for p in sorted((Path(__file__).parents[3] / "filetests" / "frontends" / "dsl").glob("*.snnl"))
]


@pytest.mark.parametrize(
    ("text", "place", "message", "help"),
    [
        (
            "netwrk main { }",
            (1, 1),
            "'netwrk' cannot stand here; expected the end of the file or 'let' or 'level' or "
            "'network' or 'ticks' or 'weights'",
            "did you mean 'network'?",
        ),
        (
            "network main {\n  retrun x }",
            (2, 10),
            "'x' cannot stand here; expected '=' or ','",
            "did you mean 'return'?",
        ),
        (
            "network main { a = f(3 }",
            (1, 24),
            "'}' cannot stand here; expected ')' or ',' or an operator",
            "",
        ),
        (
            "network main {\n",
            (2, 1),
            "the file ends too early; expected '}' or a name or 'for' or 'if' or 'input' or 'let' "
            "or 'repeat' or 'return' or 'state'",
            "",
        ),
        ("let a = 3 +", (1, 12), "the file ends too early; expected an expression", ""),
        ("let a = 3 $", (1, 11), "'$' is no sign of the language", ""),
        ('let a = "b', (1, 9), "this string does not end on its line", ""),
        ("let a = .5", (1, 9), "'.' cannot stand here; expected an expression", ""),
    ],
)
def test_a_syntax_error_says_what_could_stand_there(refused, text, place, message, help):
    error = refused(text)
    found = (error.code, (error.loc.line, error.loc.column), error.message, error.help)
    assert ("syntax-error", place, message, help) == found


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("repeat 1000000 { x = delay(x) }", "too-large"),
        ("for i in 0..10000000 { x = delay(x) }", "too-large"),
        ("repeat 90000 { repeat 90000 { let k = 1 } }", "too-large"),
        ("repeat -1 { x = delay(x) }", "too-small"),
        ("y = zeros([100000, 100000])", "too-large"),
        ("y = all2all(x, 1, n=1000000000000)", "too-large"),
        ("state y: u1[1000000, 1000000]~", "too-large"),
        ("let k = join([i for i in 0..90000], [i for i in 0..90000])", "too-large"),
        ("let k = " + "-" * 500 + "1", "nested-too-deep"),
        ("let k = " + "[" * 500 + "1" + "]" * 500, "nested-too-deep"),
        ("if true { " * 200 + "}" * 200, "nested-too-deep"),
        ("let k = 1" + "0" * 50, "number-too-large"),
        ("let k = 1e999", "number-too-large"),
        ("let k = 1" + " * 10" * 40, "number-too-large"),
        ("y = latency(x, 3) |> linear(eye(1000000))", "too-large"),
    ],
)
def test_absurd_sizes_are_refused(refused, statement, code):
    assert code == refused(f"network main {{ input x: u1[2]~ {statement} return x }}").code


def test_networks_do_not_stand_too_deep_inside_each_other(refused):
    text = "network n0(x) { return delay(x) }\n"
    text += "".join(f"network n{i}(x) {{ return n{i - 1}(x) }}\n" for i in range(1, 40))
    text += "network main { input x: u1[2]~ return n39(x) }"
    assert "nested-too-deep" == refused(text).code


def test_a_long_pipe_is_not_deep():
    text = "network main { input x: u1[2]~ return x" + " |> delay" * 500 + " }"
    assert 500 == len(read_text(text).graph.ops)


def test_after_fifty_errors_no_more_are_sought(refused):
    text = "\n".join(f"let a{i} = 1 / 0" for i in range(60))
    with pytest.raises(SnncError) as caught:
        read_text(text)
    assert 50 == len(caught.value.diagnostics)
    assert "after 50 errors no more are sought" in caught.value.diagnostics[-1].notes


def test_each_slip_is_reported_once():
    text = "network main { input x: u1[2]~ a = lost(x) b = IF(a, 3) c = b + a return a, b, c }"
    with pytest.raises(SnncError) as caught:
        read_text(text)
    assert ["unknown-layer"] == [d.code for d in caught.value.diagnostics]


WORDS = """
network main input state let for in if then else return repeat x y w IF LIF linear delay none true
+ - * / // % ** ( ) [ ] { } , = : ~ |> .. . < == and or not 0 1 -1 2.5 1e9 u1 f32 threshold "a"
add concat reshape shape slice zeros poisson neuron leak
"""


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(SOURCES),
    st.integers(0, 10**6),
    st.integers(0, 12),
    st.lists(st.sampled_from(WORDS.split()), max_size=6),
)
def test_no_text_raises_anything_but_a_located_error(source, place, length, words):
    place %= len(source)
    text = f"{source[:place]} {' '.join(words)} {source[place + length :]}"
    problems = ()
    try:
        read_text(text, "net.snnl", Path(__file__).parent)
    except SnncError as error:
        problems = error.diagnostics
    assert all(d.loc.known for d in problems)
