"""What is printed or kept of a text: no secret of the environment, nothing that acts on a terminal."""

from __future__ import annotations

import base64
import io
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swift_plugins.core.printable import MASK, Terminal, masked, printable, say

KEY = "sk-proj-Ab+/9_Zq7-Xy3kLmNo5Pq"


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def percent(text: str) -> str:
    return "".join(f"%{ord(char):02X}" for char in text)


@pytest.mark.parametrize(
    "shown",
    [
        KEY,
        KEY[:8],
        KEY[-8:],
        KEY[10:20],
        KEY.upper(),
        quote(KEY, safe=""),
        quote(quote(KEY, safe=""), safe=""),
        percent(KEY),
        "".join(f"\\u{ord(char):04x}" for char in KEY),
        "".join(f"\\\\u{ord(char):04X}" for char in KEY),
        "".join(f"\\x{ord(char):02x}" for char in KEY),
        "".join(f"&#{ord(char)};" for char in KEY),
        "".join(f"&#x{ord(char):x};" for char in KEY),
        KEY.encode().hex(),
        KEY.encode().hex().upper(),
        base64.b64encode(KEY.encode()).decode().rstrip("=")[:-1],
        base64.urlsafe_b64encode(KEY.encode()).decode().rstrip("=")[:-1],
        base64.b64encode(KEY[:12].encode()).decode(),
        base64.b32encode(KEY.encode()).decode().rstrip("=")[:-1],
        KEY[::-1],
        " ".join(KEY),
        "\n".join(KEY[i : i + 3] for i in range(0, len(KEY), 3)),
        "\u200b".join(KEY),
        KEY.encode().hex(":"),
        " ".join(f"\\x{ord(char):02x}" for char in KEY),
    ],
)
def test_a_secret_is_masked_in_any_form_and_the_rest_stays(shown):
    assert masked(f"Bearer {shown} is wrong; {shown}!") == f"Bearer {MASK} is wrong; {MASK}!"


@pytest.mark.parametrize("before", ["", "u", "us", "user:"])
def test_a_secret_is_masked_in_what_is_base64_as_a_whole(before):
    told = masked(base64.b64encode(f"{before}{KEY}:x".encode()).decode())
    assert MASK in told
    assert len(told.replace(MASK, "")) < 16


@pytest.mark.parametrize(
    "name",
    ["HF_TOKEN", "aws_secret_access_key", "DB_PASSWORD", "CLIENT_SECRET", "API_KEY_2", "GITHUB_PAT", "OPENAI_API_KEYS"],
)
def test_a_variable_is_a_secret_by_its_name(monkeypatch, name):
    monkeypatch.setenv(name, "abcdefgh-12345")
    assert masked("it is abcdefgh-12345.") == f"it is {MASK}."


def test_the_password_in_an_address_is_a_secret(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://user:abcdefgh-12345@proxy:8080")
    assert masked("it is abcdefgh-12345.") == f"it is {MASK}."
    assert masked("http://user@proxy:8080") == "http://user@proxy:8080"


@pytest.mark.parametrize(
    ("name", "value"), [("API_KEY", "short"), ("TOKENS_DIR", "abcdefgh-12345"), ("SSL_KEY", "/usr/bin")]
)
def test_what_is_no_secret_stays(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    text = f"it is {value}, in /usr/bin/x; sk-proj; {KEY[:7]}"
    assert masked(text) == text


@given(text=st.text(), at=st.integers(0, 20))
def test_masking_changes_the_secret_alone(text, at):
    assert masked(text) == text
    told = masked(f"{text[:at]} {KEY} {text[at:]}")
    assert told == f"{text[:at]} {MASK} {text[at:]}"


@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", ["\\", "%", "%25", "&#0", "\\u00", "0", KEY[:5], KEY[:8]])
def test_a_long_text_takes_linear_time(piece):
    masked(piece * (1 << 20 // len(piece)))


@given(text=st.text(st.characters(codec=None)))
def test_what_is_printed_has_no_control_character_and_is_the_same_in_json(text):
    shown = printable(text)
    assert not {char for char in shown if ord(char) < 32 or 127 <= ord(char) < 160} - {"\n", "\t"}
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c\u2028\u2029")
    shown.encode()
    whole = json.dumps(text, ensure_ascii=False)
    assert json.loads(printable(whole)) == text


def test_a_terminal_gets_only_what_is_printable():
    stream = io.StringIO()
    terminal = Terminal(stream)
    print("a\x1b[31mb", f"\x9b{KEY}\r", "ü\U0001f642\n\tz", file=terminal)
    assert stream.getvalue() == f"a\\u001b[31mb \\u009b{MASK}\\u000d ü\U0001f642\n\tz\n"


def test_what_is_said_is_one_line_that_no_name_can_forge(capsys):
    say(f"2 rows of a\nerror: b\r\x1b[2K {KEY}")
    assert capsys.readouterr().out == f"2 rows of a\\u000aerror: b\\u000d\\u001b[2K {MASK}\n"


def test_a_progress_bar_draws_itself_anew():
    stream = io.StringIO()
    Terminal(stream).write("\rpredict: 5 %\x1b[A")
    assert stream.getvalue() == "\rpredict: 5 %\\u001b[A"
