"""Made-up personal data and keys that hold to the rules of their kind, and belong to nobody."""

from __future__ import annotations

import base64
import ipaddress
import json
import random
import string

import phonenumbers
from _planted import WORDS

_LOWER, _UPPER, _DIGITS = string.ascii_lowercase, string.ascii_uppercase, string.digits
_HEX, _ALNUM = "0123456789abcdef", string.ascii_letters + string.digits
_REGIONS = ("US", "FR", "GB", "DE", "ES", "IT", "CH", "BE", "NL", "SE", "IN", "AU", "BR", "JP")
# Country and form of an account: so many digits, letters, or either.
_ACCOUNTS = [("DE", "d18"), ("FR", "d10c11d2"), ("GB", "u4d14"), ("ES", "d20"), ("NL", "u4d10"), ("CH", "d17"),
             ("BE", "d12"), ("IT", "u1d22"), ("PL", "d24"), ("NO", "d11"), ("MT", "u4d20u3")]  # fmt: skip
# How a card's number begins, and its length.
_CARDS = [("4", 16), ("4", 16), ("51", 16), ("55", 16), ("2221", 16), ("34", 15), ("37", 15), ("6011", 16),
          ("65", 16), ("36", 14), ("3528", 16), ("62", 16)]  # fmt: skip


def drawn(rng: random.Random, alphabet: str, size: int) -> str:
    """`size` characters of `alphabet`."""
    return "".join(rng.choices(alphabet, k=size))


def email(rng: random.Random) -> str:
    """An address of somebody who may exist."""
    first, last = rng.choice(WORDS["given_names"]), rng.choice(WORDS["family_names"])
    ways = [
        f"{first}.{last}",
        f"{first[0]}{last}",
        f"{first}_{last}{rng.randrange(99)}",
        f"{first}+news",
        f"{first}{rng.randrange(1960, 2010)}",
        f"{last}-{first}",
        f"{first.upper()}.{last.upper()}",
    ]
    local = rng.choice(ways)
    domain = rng.choice(WORDS["domains"])
    return f"{local}@{domain.upper() if rng.random() < 0.1 else domain}"


def _line(rng: random.Random, region: str) -> phonenumbers.PhoneNumber:
    kinds = phonenumbers.PhoneNumberType
    while True:
        kind = rng.choice([kinds.MOBILE, kinds.FIXED_LINE])
        example = phonenumbers.example_number_for_type(region, kind)
        if example is None:
            raise RuntimeError(f"there is no number of {region}")
        digits = str(example.national_number)
        kept = max(2, len(digits) - 7)
        number = phonenumbers.PhoneNumber(
            country_code=example.country_code,
            national_number=int(digits[:kept] + drawn(rng, _DIGITS, len(digits) - kept)),
            italian_leading_zero=example.italian_leading_zero,
        )
        told = phonenumbers.number_type(number)
        if told in (kinds.MOBILE, kinds.FIXED_LINE, kinds.FIXED_LINE_OR_MOBILE) and "555" not in str(
            number.national_number
        ):
            return number


def phone(rng: random.Random) -> str:
    """A number in one of the ways of writing of its country or of the world."""
    region = rng.choice(_REGIONS)
    formats = phonenumbers.PhoneNumberFormat
    way = rng.choice([formats.NATIONAL, formats.INTERNATIONAL, formats.E164])
    return phonenumbers.format_number(_line(rng, region), way)


def obvious_phone(rng: random.Random) -> str:
    """A number that no word around it need call one: with its country's code, or as only telephones are written."""
    formats = phonenumbers.PhoneNumberFormat
    if rng.random() < 0.5:
        way = rng.choice([formats.INTERNATIONAL, formats.E164])
        return phonenumbers.format_number(_line(rng, rng.choice(_REGIONS)), way)
    return phonenumbers.format_number(_line(rng, rng.choice(["FR", "US"])), formats.NATIONAL)


def iban(rng: random.Random) -> str:
    """An account of a bank with the check digits that belong to it (ISO 13616)."""
    country, form = rng.choice(_ACCOUNTS)
    body, place = "", 0
    while place < len(form):
        end = place + 1
        while end < len(form) and form[end].isdigit():
            end += 1
        alphabet = {"d": _DIGITS, "u": _UPPER, "c": _DIGITS * 20 + _UPPER}[form[place]]
        body += drawn(rng, alphabet, int(form[place + 1 : end]))
        place = end
    check = 98 - int("".join(str(int(char, 36)) for char in body + country + "00")) % 97
    whole = f"{country}{check:02d}{body}"
    if rng.random() < 0.5:
        gap = rng.choice([" ", " ", "\u00a0", "-"])
        whole = gap.join(whole[start : start + 4] for start in range(0, len(whole), 4))
    return whole


def card(rng: random.Random) -> str:
    """A card number with the check digit of Luhn (ISO/IEC 7812-1)."""
    prefix, length = rng.choice(_CARDS)
    body = prefix + drawn(rng, _DIGITS, length - len(prefix) - 1)
    total = 0
    for place, char in enumerate(reversed(body)):
        value = int(char) * (1 if place % 2 else 2)
        total += value - 9 if value > 9 else value
    whole = body + str(-total % 10)
    way = rng.randrange(3)
    if way == 0:
        return whole
    gap = " -"[way - 1]
    if length == 16:
        return gap.join(whole[start : start + 4] for start in range(0, 16, 4))
    return gap.join((whole[:4], whole[4:10], whole[10:]))


def nir(rng: random.Random) -> str:
    """A French social security number with its key (INSEE)."""
    department, number = rng.choice(
        [("75", "75"), ("13", "13"), ("69", "69"), ("2A", "19"), ("2B", "18"), ("01", "01"), ("33", "33")]
    )
    sex, year, month = rng.choice("12"), f"{rng.randrange(100):02d}", f"{rng.randrange(1, 13):02d}"
    town, order = f"{rng.randrange(1, 990):03d}", f"{rng.randrange(1, 999):03d}"
    key = f"{97 - int(sex + year + month + number + town + order) % 97:02d}"
    return rng.choice(["", " ", "\u00a0"]).join((sex, year, month, department, town, order, key))


def ssn(rng: random.Random) -> str:
    """An American social security number of an area and group that are given out."""
    area = rng.choice([*range(1, 665), *range(667, 899)])
    return f"{area:03d}-{rng.randrange(1, 99):02d}-{rng.randrange(1, 9999):04d}"


def address(rng: random.Random) -> str:
    """An IP address that the public net routes."""
    while True:
        if rng.random() < 0.3:
            groups = [f"{rng.randrange(0x2001, 0x2FFF):x}", *(f"{rng.randrange(0x1000, 0xFFFF):x}" for _ in range(7))]
            if rng.random() < 0.5:
                groups[3:6] = ["0", "0", "0"]
            found = ipaddress.ip_address(":".join(groups))
            said = rng.choice([found.compressed, found.exploded, found.compressed.upper()])
        else:
            found = ipaddress.ip_address(".".join(str(rng.randrange(20, 250)) for _ in range(4)))
            said = str(found)
        if found.is_global and not found.is_multicast:
            return said


def secret(rng: random.Random) -> str:
    """A key of the form that its maker documents, drawn at random."""
    word, wordy = _ALNUM, _ALNUM + "_-"
    forms = {
        "AKIA": (_UPPER + _DIGITS, 16), "ASIA": (_UPPER + _DIGITS, 16), "ghp_": (word, 36), "gho_": (word, 36),
        "ghs_": (word, 36), "glpat-": (word, 20), "sk-ant-api03-": (word, 95), "sk-or-v1-": (_HEX, 64),
        "sk-proj-": (word, 48), "hf_": (word, 34), "AIza": (word, 35), "GOCSPX-": (word, 28),
        "sk_live_": (word, 24), "rk_test_": (word, 24), "npm_": (word, 36), "gsk_": (word, 52), "xai-": (word, 80),
        "nvapi-": (word, 64),
        "r8_": (word, 37), "dop_v1_": (_HEX, 64), "dapi": (_HEX, 32), "shpat_": (_HEX, 32),
        "pypi-AgEIcHlwaS5vcmc": (wordy, 150), "AGE-SECRET-KEY-1": (_UPPER + _DIGITS, 58),
    }  # fmt: skip
    way = rng.randrange(len(forms) + 6)
    if way < len(forms):
        prefix, (alphabet, size) = list(forms.items())[way]
        # The last one is a letter, for a hyphen at the end is the sentence's.
        return prefix + drawn(rng, alphabet, size - 1) + rng.choice([char for char in alphabet if char.isalnum()])
    if way == len(forms):
        return f"github_pat_{drawn(rng, word, 22)}_{drawn(rng, word, 59)}"
    if way == len(forms) + 1:
        return f"xoxb-{drawn(rng, '123456789', 12)}-{drawn(rng, '123456789', 12)}-{drawn(rng, word, 24)}"
    if way == len(forms) + 2:
        parts = (drawn(rng, _UPPER, 9), drawn(rng, _UPPER, 9), drawn(rng, word, 24))
        return "https://hooks.slack.com/services/T{}/B{}/{}".format(*parts)
    if way == len(forms) + 3:
        return f"SG.{drawn(rng, word, 22)}.{drawn(rng, word, 43)}"
    if way == len(forms) + 4:
        head, claims = (
            {"alg": "HS256", "typ": "JWT"},
            {"sub": drawn(rng, _HEX, 12), "iat": rng.randrange(10**9, 2 * 10**9)},
        )
        parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (head, claims)]
        return ".".join([*parts, drawn(rng, word, 43)])
    body = "\n".join(drawn(rng, word + "+/", 64) for _ in range(8))
    return f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----"
