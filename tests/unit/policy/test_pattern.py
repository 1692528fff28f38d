"""Regular expressions that no text makes slow."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sxhost.policy.pattern import BadPattern, Pattern, glob, path_glob

ATOMS = st.sampled_from([*"ab.", r"\.", r"\w", r"\s", r"\D", "[ab]", "[^a]", "[]a]", "[a-c-]"])
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map("".join),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"({'|'.join(parts)})"),
        st.builds(
            "(?:{}){}".format,
            inner,
            st.sampled_from(["*", "+", "?", "{2}", "{0}", "{1,}", "{0,2}"]),
        ),
    ),
    max_leaves=6,
)

SETS = [
    *(r"\w", r"\W", r"\s", "[^^]", "[]]", r"[\]-]", r"[^\W\d_]", r"[\w-]", r"[^\S\n]", r"[\D]"),
    *("[\u0430-\u044f]", r"[\u0430-\u044f]", r"[\x00-\x1f\\]", r"[\s\S]", r"[^\s\S]"),
]


@given(PATTERNS, st.text("ab.c \n]-", max_size=8))
@example("(a*)*", "aaa")
@example("(|a)+", "")
@example("^a|b$", "b")
@example("(?:){0}", "")
@example("(" * 500 + ")" * 500, "")
def test_pattern_matches_like_python(pattern: str, text: str) -> None:
    assert Pattern(pattern).matches(text) == bool(re.fullmatch(pattern, text))


@given(st.text(max_size=20))
def test_accepted_pattern_matches_like_python(pattern: str) -> None:
    try:
        ours = Pattern(pattern)
    except BadPattern:
        return
    for text in ("", "a", pattern):
        assert ours.matches(text) == bool(re.fullmatch(pattern, text))


UNSUPPORTED_PATTERNS = [
    ("(", "a group is not closed"),
    ("a)", "`)` at its character 2"),
    ("*a", "nothing that `*` could repeat"),
    ("(?=a)", "`(?=a)` at its character 1"),
    ("(?P<n>a)", "not understood"),
    (r"(a)\1", "not understood"),
    (r"\bgit", "not understood"),
    (r"\Agit", "not understood"),
    ("a*?", "`*?` at its character 2"),
    ("a**", "not understood"),
    ("a{2", "`{2`"),
    ("a{3,2}", "wrong order"),
    ("a^b", "`^b` at its character 2"),
    ("a$b", "not understood"),
    ("[a", "not understood"),
    ("[z-a]", "bad character range"),
    ("[[a]", "none"),
    ("a\\", "not understood"),
    ("a{9999}", "too large"),
    ("((((a{9}){9}){9}){9}){9}", "too large"),
    ("(((((){99}){99}){99}){99}){99}", "too large"),
    ("(((((a{0}){99}){99}){99}){99}){99}", "too large"),
    (r"\w{900}", "too large"),
    (r"[\N{BULLET}]", "not understood"),
]


@pytest.mark.parametrize(("pattern", "why"), UNSUPPORTED_PATTERNS)
def test_unsupported_pattern_is_refused(pattern: str, why: str) -> None:
    with pytest.raises(BadPattern, match=re.escape(why)):
        Pattern(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+b",
        "(a|a)*b",
        ".*.*.*.*b",
        "(a?){50}a{50}b",
        "(a|b)*a(a|b){400}c(a|b)*",
        r"\w{60}b",
    ],
)
def test_matching_time_is_linear(pattern: str) -> None:
    """Python's own would take years for most of these, as would no test that comes back."""
    text = "ab" * 50_000 if "|b" in pattern else "a" * 100_000
    assert not Pattern(pattern).matches(text)
    assert not Pattern(f"c{pattern}", " ", " ").matches(text)


def test_repetition_is_bounded() -> None:
    assert Pattern("(?:a|bc){300}").matches("bc" * 300)
    with pytest.raises(BadPattern, match="too large"):
        Pattern("(?:a|bc){400}")


@given(PATTERNS, st.text("ab. ;", max_size=8))
@example("rm( -rf)?", "x rm -rf y")
@example("a", "ba")
def test_search_matches_at_word_edges(pattern: str, text: str) -> None:
    places = range(len(text) + 1)
    starts = [n for n in places if not n or text[n - 1] in " ;"]
    ends = [n for n in places if n == len(text) or text[n] == " "]
    python = re.compile(pattern)
    spans = ((start, end) for start in starts for end in ends if start <= end)
    found = any(python.fullmatch(text, *span) for span in spans)
    assert Pattern(pattern, " ;", " ").matches(text) == found


@given(
    st.sampled_from(SETS),
    st.characters(),
)
@example(".", "\udc80")
@example("[^a]", "\ud800")
@example(r"\w", "\u00b2")
@example(r"\d", "\u0663")
@example(r"\s", "\x1c")
def test_character_set_matches_like_python(pattern: str, char: str) -> None:
    assert Pattern(pattern).matches(char) == bool(re.fullmatch(pattern, char))


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        ("mcp__*", ["mcp__", "mcp__a/b\nc"], ["mcp", "a mcp__b"]),
        ("a.b?", ["a.bc"], ["axbc", "a.b"]),
        ("*", ["", "x"], []),
        ("a[b]{2}|(c)\\", ["a[b]{2}|(c)\\"], ["ab"]),
    ],
)
def test_globs_over_names(text: str, yes: list[str], no: list[str]) -> None:
    pattern = glob(text)
    assert all(map(pattern.matches, yes))
    assert not any(map(pattern.matches, no))


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        ("/a/**", ["/a", "/a/", "/a/b", "/a/b/c"], ["/ab", "/", "/b/a"]),
        ("/a/*", ["/a/b", "/a/"], ["/a", "/a/b/c"]),
        ("/a/**/b", ["/a/b", "/a/x/b", "/a/x/y/b"], ["/ab", "/a/xb/c"]),
        ("**/.git/**", ["/.git", "/a/.git/x"], ["/a/x.git/y", "/.gitx"]),
        ("/a/?.py", ["/a/x.py"], ["/a//.py", "/a/x_py"]),
        ("/**", ["/", "/a"], []),
    ],
)
def test_globs_over_paths(text: str, yes: list[str], no: list[str]) -> None:
    pattern = path_glob(text)
    assert [path for path in yes if not pattern.matches(path)] == []
    assert [path for path in no if pattern.matches(path)] == []


def test_double_star_must_stand_alone() -> None:
    with pytest.raises(BadPattern, match="between slashes"):
        path_glob("/a/**.py")
