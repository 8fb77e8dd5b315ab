"""Which passwords are among the first that are tried."""

import secrets
import shlex
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport.guessing import made_of
from transport.passwords import read_words

WORDS = read_words((Path(__file__).parents[2] / "config/common_passwords.txt").read_text())

TRIED_FIRST = shlex.split("""
password123 Password123! P@ssw0rd2024 P@$$w0rd!! drowssap123 passwordpassword Welcome2024! letmein12345 trustno1trustno1
qwertyuiop asdfghjkl; 1qaz2wsx3edc zaq12wsxcde3 q1w2e3r4t5y6 1234567890 0987654321 aaaaaaaaaa 1111122222 abcdefghij
iloveyou2020 Summer2024!! Liverpool1! football2019 michael1985 charlie12031985 dragonmonkey hunter2hunter2 xkxkxkxkxkxk
20240101abc 01011990xx lifebuddy2026 correcthorsebatterystaple princess1234567
""")

NOT_TRIED_FIRST = (
    "xkvqe7hmzp",
    "Zx9!kq27Lm",
    "tr0ub4dor&3x",
    "5839201746",
    "Tr4verse-pine-9",
    "horse piano lamp sky",
    "correct horse battery staple",
    "ein Pferd frisst Gurkensalat",
    "дом возле синей реки",
    "我喜欢吃辣的火锅和面条",
)


@pytest.mark.parametrize("password", TRIED_FIRST)
def test_words_runs_rows_and_dates_alone_are_too_little(password: str) -> None:
    assert made_of(password, WORDS, 3)


@pytest.mark.parametrize("password", NOT_TRIED_FIRST)
def test_what_needs_guessing_is_enough(password: str) -> None:
    assert not made_of(password, WORDS, 3)


def test_random_passwords_are_hardly_ever_refused() -> None:
    assert sum(made_of(secrets.token_urlsafe(8), WORDS, 3) for _ in range(2_000)) == 0


@given(st.text(max_size=12), st.integers(0, 5))
def test_more_pieces_allowed_never_refuses_less(password: str, pieces: int) -> None:
    assert made_of(password, WORDS, pieces + 1) or not made_of(password, WORDS, pieces)


@given(st.text(max_size=6))
def test_a_password_is_never_more_pieces_than_characters(password: str) -> None:
    assert made_of(password, frozenset(), len(password.casefold()))


@pytest.mark.parametrize("password", ["a" * 252 + "xk q", "ab" * 126 + "xkqz", "1a" * 60 + "k3" * 68])
def test_the_longest_passwords_hold_nobody_up(password: str) -> None:
    began = time.process_time()
    made_of(password, WORDS, 3)
    assert time.process_time() - began < 0.5
