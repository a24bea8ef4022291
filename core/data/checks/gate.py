"""What a row's text may hold, told from its bytes alone: a few passes at memory speed before anything dear.

A row without a flag is clean for sure; one with a flag is looked at. The bytes are mapped to classes, so that a long
run of one class can be searched for as a plain string, many times faster than by a regular expression.
"""

from __future__ import annotations

import re

MAIL, DIGITS, KEYS, MARKS, WIDE, ADDRESS6 = 1, 2, 4, 8, 16, 32
PRIVATE = MAIL | DIGITS | KEYS | ADDRESS6

# Digits become `0`, all but what may part them `a`. The last five bytes are of NO-BREAK SPACE, NARROW NO-BREAK SPACE
# and EN DASH: French telephone numbers are parted so.
_DIGITS = bytes(48 if 48 <= code < 58 else 97 for code in range(256))
_SEPARATORS = b" -.()/\xc2\xa0\xe2\x80\xaf\x93"
_SEVEN = b"0" * 7
# Arithmetic is full of digits: numbers with signs of it around or more than two characters between are let go.
_BETWEEN = rb"(?:[ .()/\-]|\xc2\xa0|\xe2\x80[\xaf\x93]){0,2}+"
_ALONE = rb"[0-9](?<![0-9*^$].)(?<![0-9][.].)(?<!<<.)"
_NUMBER = re.compile(_ALONE + rb"(?:%b[0-9]){6,}+(?!%b[=*^+])" % (_BETWEEN, _BETWEEN)).search
# What keys are made of becomes `a`; the colon is there for IPv6 and Telegram.
_KEYS = bytes(97 if code < 128 and (chr(code).isalnum() or chr(code) in "_-+:") else 32 for code in range(256))
_RUN = b"a" * 20
# A part of every form in core.data.pii.secrets that little else has.
_KEY_MARKS = (
    *b"AKIA ASIA ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ glpat- gldt- glrt- glcbt- glptt- glft- glsoat- sk- hf_".split(),
    *b"api_org_ xox xapp- hooks.slack AIza GOCSPX- sk_ rk_ whsec_ SG. npm_ pypi- gsk_ xai- nvapi- r8_ _v1_".split(),
    *b"dapi shpat_ shpca_ shppa_ shpss_ :AA AGE-SECRET eyJ".split(),
    b"PRIVATE KEY",
)
_EIGHT_GROUPS = re.compile(rb":(?:[0-9A-Fa-f]{1,4}:){6}[0-9A-Fa-f]").search
_COLONS, _ESCAPED = re.compile(b"::").search, re.compile(rb"\\u").search
# One literal byte at the start lets the search leap from one to the next. EF begins DeepSeek's wide bar.
_ANGLE = re.compile(rb"<[A-Za-z/|<\xef](?!<?[0-9])").search
_BRACKET = re.compile(rb"\[[A-Za-z/](?![0-9])").search
_BRACE = re.compile(rb"\{[A-Za-z{ ]").search
# ASCII-only JSON hides what is searched for; Go's encoder writes < and > so.
_ESCAPES = (
    (b"\\u003c", b"<"), (b"\\u003e", b">"), (b"\\u003C", b"<"), (b"\\u003E", b">"), (b"\\u0040", b"@"),
    (b"\\uff5c", b"|"), (b"\\uFF5C", b"|"), (b"\\u00a0", b" "), (b"\\u00A0", b" "), (b"\\u202f", b" "),
    (b"\\u202F", b" "), (b"\\u2013", b" "),
)  # fmt: skip


def flags(raw: bytes) -> int:
    """What the row that `raw` holds may have, as a sum of MAIL, DIGITS, KEYS, MARKS, WIDE and ADDRESS6; mostly 0.

    MAIL: an at sign. DIGITS: seven digits with at most separators between them (so that an IP address of fewer goes
    unseen). KEYS: a run as long as the shortest key, and a maker's mark. MARKS: a bracket or brace before a letter.
    WIDE: characters outside of ASCII. ADDRESS6: two colons, or eight groups.
    """
    found = 0 if raw.isascii() else WIDE
    if _ESCAPED(raw):
        found |= WIDE
        for escape, char in _ESCAPES:
            if escape in raw:
                raw = raw.replace(escape, char)
    if 64 in raw:  # an at sign
        found |= MAIL
    if _COLONS(raw):
        found |= ADDRESS6
    if raw.translate(_KEYS).find(_RUN) >= 0:
        if any(mark in raw for mark in _KEY_MARKS):
            found |= KEYS
        if _EIGHT_GROUPS(raw):
            found |= ADDRESS6
    if raw.translate(_DIGITS, _SEPARATORS).find(_SEVEN) >= 0 and _NUMBER(raw):
        found |= DIGITS
    if _ANGLE(raw) or _BRACKET(raw) or _BRACE(raw):
        found |= MARKS
    return found
