"""`snnc passes`, `targets`, `ops`, `explain`: told from the registry and the table of codes."""

import ast
import re
from pathlib import Path

import pytest

from snnc.builtins import PLUGIN
from snnc.cli import failures
from snnc.cli.commands.explain import codes

ROOT = Path(__file__).resolve().parents[3]
CODE = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)+")
WORDS = re.compile(f'"({CODE.pattern})"')
NOT_CODES = {"utf-8", "utf-8-sig", "x86-64"}


def test_passes_lists_all_with_their_exactness(snnc):
    rows = snnc("passes", "--json").json()
    told = {row["name"]: row for row in rows}
    assert set(PLUGIN.passes) <= set(told)
    assert told["quantize"]["exactness"] == "approximate"
    assert {"paicore", "dynapcnn"} <= {r["target"] for r in rows if r["name"] == "place"}
    assert all(row["doc"] for row in told.values())
    assert "@int" in snnc("passes").stdout


def test_a_pass_is_explained_with_its_options(snnc):
    assert "bits" in snnc("passes", "quantize").stdout
    assert snnc("passes", "quantize", "--json").json()["name"] == "quantize"
    assert "did you mean 'quantize'?" in snnc("passes", "quantise").stderr
    assert "group" in snnc("passes", "-t", "paicore").stdout


def test_targets_say_their_options_and_limits(snnc):
    assert "paicore" in snnc("targets").stdout
    told = snnc("targets", "paicore", "--json").json()
    assert told["hardware"]["axons"] == 1152
    assert "format" in [option["name"] for option in told["options"]]
    assert "Hardware" in snnc("targets", "paicore").stdout
    assert snnc("targets", "paicor").exit_code == failures.USAGE


def test_ops_print_equation_operands_and_attributes(snnc):
    shown = snnc("ops", "int.neuron").stdout
    assert "threshold" in shown
    assert "integrate" in shown
    told = snnc("ops", "snn.linear", "--json").json()
    assert [operand["name"] for operand in told["operands"]] == ["x", "w", "bias"]
    assert "Level paicore" in snnc("ops").stdout
    assert {op["name"].partition(".")[0] for op in snnc("ops", "int", "--json").json()} == {"int"}


def test_ops_help_with_names(snnc):
    assert "did you mean 'int.neuron'?" in snnc("ops", "int.nuron").stderr
    assert "snn.neuron or int.neuron" in snnc("ops", "neuron").stderr


def raised() -> dict[str, str]:
    """Return the codes in calls of the product that are not explained, with a place of each."""
    known, found = codes(), {}
    for folder in ("snnc", "frontends", "passes", "runtime", "targets"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if any(parent.is_symlink() for parent in path.parents):
                continue
            text = path.read_text()
            # Reading every file as Python takes seconds; few hold a text that could be a new code.
            if not {*WORDS.findall(text)} - {*known, *NOT_CODES}:
                continue
            for call in ast.walk(ast.parse(text)):
                if not isinstance(call, ast.Call):
                    continue
                named = [k.value for k in call.keywords if k.arg == "code"]
                given = [v.value for v in (*call.args, *named) if isinstance(v, ast.Constant)]
                for text in given:
                    if isinstance(text, str) and CODE.fullmatch(text) and text not in NOT_CODES:
                        found[text] = f"{path.name}:{call.lineno}"
    return found


def test_every_error_code_is_explained():
    assert {c: place for c, place in raised().items() if c not in codes()} == {}
    assert "not-explained" in WORDS.findall('raise fail("not-explained", "a text")')


def test_nothing_is_explained_that_is_not_raised():
    made_of_parts = {f"unknown-{word}" for word in ("engine", "frontend", "target")} | {"no-config"}
    sources = "".join(
        path.read_text()
        for folder in ("snnc", "frontends", "passes", "runtime", "targets")
        for path in (ROOT / folder).rglob("*.py")
    )
    assert [c for c in codes() if f'"{c}"' not in sources and c not in made_of_parts] == []


def test_explanations_are_sentences():
    for code, entry in codes().items():
        assert set(entry) == {"means", "do"}, code
        assert all(text[0].isupper() or text[0] in "`-" for text in entry.values()), code
        assert all(text.endswith((".", "?")) or "..." in text for text in entry.values()), code


def test_explain_prints_meaning_and_remedy(snnc):
    shown = snnc("explain", "loop-without-delay").stdout
    assert "delay{by = 1}" in shown
    assert snnc("explain", "error[loop-without-delay]").stdout == shown
    assert snnc("explain", "loop-without-delay", "--json").json()["code"] == "loop-without-delay"
    assert "loop-without-delay" in snnc("explain").stdout
    assert set(snnc("explain", "--json").json()) == set(codes())


def test_explain_suggests_the_nearest_code(snnc):
    result = snnc("explain", "loop-without-dely")
    assert result.exit_code == failures.REFUSED
    assert "error[unknown-code]" in result.stderr
    assert "did you mean 'loop-without-delay'?" in result.stderr


@pytest.mark.parametrize("name", ["passes", "targets", "ops"])
def test_lists_are_plain_text_in_a_pipe(name, snnc):
    assert "\x1b" not in snnc(name).stdout
