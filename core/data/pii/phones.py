"""Telephone numbers: what looks like one, held to the numbering plans of the phonenumbers library."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from core.data.pii.context import contradicted
from core.data.pii.span import Span

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

_GAP = " \u00a0\u202f"
_EXTENSION = rf"(?:[{_GAP}]?(?:x|ext\.?|extension|poste)[{_GAP}]?\d{{1,5}})?"
_CANDIDATE = re.compile(
    rf"(?<![\w/+\-=@#$€£<>*^\\])(?<!\d[.,{_GAP}])(?:(?:\+|00(?=\d)|\(\+?\d)[{_GAP}]?)?\(?\d"
    rf"(?:[{_GAP}().\-/–]{{0,2}}\d){{5,15}}{_EXTENSION}(?![\w%@^*]|[.,\-/=+<>]\d)",
    re.ASCII,
)
_NAMED = re.compile(
    r"(?:\b(?:tele?phones?|phones?|tel|cell(?:phone)?|mobiles?|fax|whatsapp|call(?:ed|ing)?|dial(?:ed|ing)?|texted|"
    r"text (?:me|us|him|her|them)|reach (?:me|us|him|her|them)|ring (?:me|us)|sms|hotline|t[ée]l[ée]phone|t[ée]l|"
    r"portable|joindre|appele[rz]?|telefon\w*|handy\w*|rufnummer|anrufen|mobil|tel[ée]fono|m[óo]vil|celular|desk|"
    r"messages? (?:to|on)|answering at|(?:my|our|his|her|their|your) number|mon num[ée]ro|"
    r"meine nummer)\b|☎|📞)[^.!?\d]{0,24}(?:\d{1,2}[.)])?[^\d]{0,4}$",
    re.IGNORECASE,
)
# Ways of writing that are hardly anything but a telephone number, by region.
_NATIONAL: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("US", re.compile(r"(?:1[ .-])?(?:\(\d{3}\) ?|\d{3}([.-]))\d{3}[.-]\d{4}" + _EXTENSION)),
    ("FR", re.compile(rf"0[1-9](?:([{_GAP}.-])\d\d)(?:\1\d\d){{3}}")),
    ("GB", re.compile(r"\(?0(?:2\d\)? \d{4} \d{4}|1\d{3}\)? \d{6}|7\d{3} \d{3} ?\d{3})")),
    ("DE", re.compile(r"\(?0[2-9]\d{1,4}\)?(?: ?/ ?|-)\d{5,8}")),
)
_NAMED_AFTER = re.compile(r"[^\w\n]{1,3}(?:office|fax|mobile|cell|home|work|desk|phone|tel|direct)\b", re.IGNORECASE)
_REGIONS = ("US", "FR", "GB", "DE", "ES", "IT", "CH", "BE", "NL", "SE", "IN", "AU", "BR", "JP")
_LOOSE = re.compile(r"[\d().\- \u00a0\u202f/+–]+")
# Freephone and premium numbers of North America, and of most of Europe.
_FREE = re.compile(
    r"(?:1[ .-]?)?\(?(?:8(?:00|33|44|55|66|77|88)|900)\)?[ .-]|0[ .-]?(?:800|808|900)|0[ .]?8\d\d[ .]\d{3}[ .]\d{3}$"
)
_ISO_DATE = re.compile(r"(?:19|20)\d\d([-./ ]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])")
# Kept for films and books: NANP 555-01xx, Ofcom's, ARCEP's (fr) and the Bundesnetzagentur's lists of drama numbers.
_FICTION = re.compile(
    r"(?:1?\d{3})?555(?:01\d\d|1234|1212)|1?555\d{7}|1?(?:123456\d+|1234567890|0?987654321\d?|0123456789)|"
    r"(?:44)?0?(?:1632960\d{3}|2079460\d{3}|7700900\d{3}|1\d{2}4960\d{3})|(?:33)?0?(?:1990\d{5}|26191\d{4}|35301\d{4}|46571\d{4}|"
    r"53649\d{4}|63998\d{4})|(?:49)?0?3023125\d+"
)


def find_phones(text: str) -> Iterator[Span]:
    """Telephone numbers: international, in a national way of writing, or called one by the words before them.

    Freephone and premium numbers are firms', those kept for fiction nobody's; both are passed over.
    """
    for match in _CANDIDATE.finditer(text):
        start, found = match.start(), match.group()
        if found[0] == "(" and ")" not in found:
            # The bracket is the sentence's.
            start, found = start + 1, found[1:]
        digits = "".join(char for char in found.partition("x")[0] if char.isdigit())
        if not 6 < len(digits) < 16 or found.count("(") != found.count(")") or _dull(digits, found):
            continue
        international = found.startswith(("+", "(+")) or (found.startswith("00") and found[2:3].isdigit())
        named = bool(_NAMED.search(text[max(0, start - 60) : start]) or _NAMED_AFTER.match(text, match.end()))
        if not named and contradicted(text, start):
            continue
        if international:
            accepted = _plausible(found, named)
        elif named:
            accepted = _called(found, digits)
        else:
            accepted = any(pattern.fullmatch(found) and _given_out(found, region) for region, pattern in _NATIONAL)
        if accepted:
            yield Span("pii_phone", start, match.end())


def _dull(digits: str, found: str) -> bool:
    """Dates, made-up numbers, and lists of numbers, none of which anybody answers."""
    if _FICTION.fullmatch(digits) or len(set(digits)) < 3:
        return True
    if len(digits) == 8 and _ISO_DATE.fullmatch(found):
        return True
    groups = re.findall(r"\d+", found)
    # 4 8 12 16 20 is a list: telephone numbers have no group of one digit but the first, and few groups.
    return len(groups) > 7 or any(len(group) == 1 for group in groups[2:])


def _plausible(found: str, named: bool) -> bool:
    """Whether a number with its country code is given out there, or could be and is called one."""
    import phonenumbers

    number = _parse(f"+{found[2:]}" if found.startswith("00") else found.replace("(+", "+(", 1), None)
    if number is None:
        return False
    if phonenumbers.is_valid_number(number):
        return _private(number)
    return named and phonenumbers.is_possible_number(number)


def _given_out(found: str, region: str) -> bool | None:
    """Whether a number of this region can be a person's; None where the region has no such number."""
    import phonenumbers

    number = _parse(found, region)
    return _private(number) if number is not None and phonenumbers.is_valid_number(number) else None


def _called(found: str, digits: str) -> bool:
    """Whether a number that the text calls a telephone number can be one somewhere."""
    if _FREE.match(found):
        return False
    if any(_given_out(found, region) for region in _REGIONS):
        return True
    # Few plans are known here; groups of digits that the text calls a telephone number are one.
    return len(digits) < 13 and len(re.findall(r"\d+", found)) > 1 and bool(_LOOSE.fullmatch(found.partition("x")[0]))


def _parse(found: str, region: str | None) -> PhoneNumber | None:
    import phonenumbers

    try:
        return phonenumbers.parse(found, region)
    except phonenumbers.NumberParseException:
        return None


def _private(number: PhoneNumber) -> bool:
    """Whether a line of this type can be a person's."""
    import phonenumbers

    kinds = phonenumbers.PhoneNumberType
    return phonenumbers.number_type(number) not in (
        kinds.TOLL_FREE, kinds.PREMIUM_RATE, kinds.SHARED_COST, kinds.UAN, kinds.VOICEMAIL
    )  # fmt: skip
