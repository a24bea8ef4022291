"""Addresses of people and machines on the net: e-mail and IP."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from core.data.pii.span import Span

_LOCAL = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.!#$%&'*+-/=?^_`{|}~")
_DOMAIN = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}(?:[^\W\d_]{2,24}|xn--[a-z0-9-]{2,20})(?![\w-])")
# Generic top-level domains in common use; every one of two letters is taken for a country (IANA's root zone).
_GENERIC = frozenset({
    "com", "org", "net", "edu", "gov", "mil", "int", "info", "biz", "name", "pro", "mobi", "asia", "jobs", "tel",
    "travel", "coop", "aero", "museum", "cat", "post", "arpa", "app", "dev", "page", "online", "site", "website",
    "tech", "store", "shop", "club", "blog", "cloud", "live", "email", "group", "company", "world", "today", "life",
    "agency", "digital", "design", "studio", "media", "news", "network", "solutions", "services", "systems",
    "software", "support", "center", "academy", "health", "care", "clinic", "bank", "finance", "money",
    "consulting", "expert", "legal", "law", "tax", "art", "music", "video", "games", "game", "fun", "space", "city",
    "house", "homes", "land", "estate", "restaurant", "bar", "cafe", "coffee", "beer", "wine", "fashion", "style",
    "beauty", "yoga", "fit", "run", "bike", "photo", "photos", "gallery", "science", "school", "university",
    "college", "institute", "education", "training", "zone", "social", "chat", "team", "work", "works", "xyz",
    "top", "icu", "vip", "win", "one", "global", "international", "eco", "green", "bio", "farm", "earth", "africa",
    "berlin", "paris", "london", "nyc", "tokyo", "bzh", "swiss", "wien", "hamburg", "koeln", "bayern", "alsace",
    "corsica", "eus", "gal", "scot", "wales", "quebec", "sydney", "amsterdam", "brussels", "vlaanderen", "frl",
    "ai",
})  # fmt: skip
# RFC 2606 and RFC 6761 keep these for documentation; the others people write for an address that is none.
_EXAMPLE_DOMAIN = re.compile(
    r"(?:^|\.)(?:example(?:-?[a-z]+)?\.(?:com|org|net|edu|io|fr|de|co\.uk)|exemple\.(?:com|fr)|beispiel\.de|(?:your|my|our|some|the)?-?"
    r"(?:domain|company|organi[sz]ation|website|site|server|host|provider|mail)(?:name)?\.(?:com|org|net|tld)|acme\.com|"
    r"sample\.com|test\.com|email\.com|foo\.com|bar\.com|(?:example|test|invalid|localhost|local|internal|lan|tld))$",
    re.IGNORECASE,
)
# Mail providers that happen to have such a name.
_REAL_DOMAINS = frozenset({"mail.com"})
_NOBODY = frozenset({"git", "hg", "svn"})
_IMAGE = re.compile(r"^\d(?:\.\d)?x$")

_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w])(?!\.\d)(?!/(?:[0-9]|[12]\d)\b)", re.ASCII)
_IPV6 = re.compile(r"(?<![\w:.])(?=[0-9A-Fa-f]*:[0-9A-Fa-f]*:)[0-9A-Fa-f:]{3,39}(?![\w:])", re.ASCII)
_VERSION = re.compile(
    r"(?:\b(?:v|ver|versions?|releases?|builds?|firmware|drivers?|updates?|patch|sdk|rev|revision|upgraded?|chapters?|"
    r"sections?|clauses?|articles?|figures?|fig|tables?|appendix|paragraphs?|oid|steps?|kapitel|abschnitt|chapitre)"
    r"[\s.:=#(\"'`]*(?:(?:is|was|to|from|number|no)\s+)?[vV]?|[<>=~^]=?\s*|§\s*|[A-Za-z][-/_@])$",
    re.IGNORECASE,
)
_NETWORK_WORDS = re.compile(
    r"\b(?:ips?|ipv4|address\w*|adresse\w*|hosts?|servers?|ping|dns|nameserver)\b", re.IGNORECASE
)
# Public resolvers: everybody's, so nobody's.
_PUBLIC = frozenset({"8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9", "208.67.222.222", "208.67.220.220"})


def find_emails(text: str) -> Iterator[Span]:
    """E-mail addresses of a domain that can exist; addresses kept for examples are none."""
    at = text.find("@")
    while at >= 0:
        start = _local_start(text, at)
        match = _DOMAIN.match(text, at + 1) if start < at else None
        if match and _is_mail(text, start, at, match):
            yield Span("pii_email", start, match.end())
        at = text.find("@", at + 1)


def _local_start(text: str, at: int) -> int:
    """Where the part before the sign begins; `at` where there is none."""
    start, least = at, max(0, at - 64)
    while start > least and (text[start - 1] in _LOCAL or text[start - 1].isalpha()):
        start -= 1
    # Marks may stand inside a local part; before it they are the sentence's.
    local = text[start:at]
    for mark in "/=|{}`*":
        if mark in local:
            local = local[local.rindex(mark) + 1 :]
    return at - len(local.lstrip(".!#$%&'+-?^~"))


def _is_mail(text: str, start: int, at: int, match: re.Match[str]) -> bool:
    local, domain = text[start:at], match.group()
    top = domain.rpartition(".")[2]
    if local.casefold() in _NOBODY or local.endswith(".") or ".." in local or not any(c.isalnum() for c in local):
        return False
    # A handle of two parts, or the name and password in a web address.
    if text[start - 1 : start] == "@" or "://" in text[max(0, start - 64) : start].rpartition(" ")[2]:
        return False
    if top not in (top.lower(), top.upper()) or (len(top) > 2 and not _known(top)):
        return False
    # In code the sign multiplies or decorates: `a@b.to(device)`.
    if text[match.end() : match.end() + 1] in ("(", "["):
        return False
    if _IMAGE.match(domain.partition(".")[0]):
        return False
    return domain.casefold() in _REAL_DOMAINS or not _EXAMPLE_DOMAIN.search(domain)


def _known(top: str) -> bool:
    return top.casefold() in _GENERIC or top.startswith("xn--") or not top.isascii()


def find_ips(text: str) -> Iterator[Span]:
    """Addresses that the public net routes; private, reserved and documentation ones point at nobody."""
    for match in _IPV4.finditer(text):
        if _is_ipv4(text, match):
            yield Span("pii_ip", match.start(), match.end(), "IPv4")
    if "::" in text or text.count(":") > 6:
        for match in _IPV6.finditer(text):
            if _is_ipv6(match.group()):
                yield Span("pii_ip", match.start(), match.end(), "IPv6")


def _is_ipv4(text: str, match: re.Match[str]) -> bool:
    address = match.group()
    try:
        parsed = ipaddress.IPv4Address(address)
    except ValueError:
        return False
    if not parsed.is_global or parsed.is_multicast or address in _PUBLIC or address.startswith("0."):
        return False
    before = text[max(0, match.start() - 40) : match.start()]
    if _VERSION.search(before) and not before.endswith("//"):
        return False
    # 1.2.3.4 counts; small numbers are an address only where the words say so.
    small = all(int(part) < 20 for part in address.split("."))
    return not small or _NETWORK_WORDS.search(before) is not None


def _is_ipv6(address: str) -> bool:
    try:
        parsed = ipaddress.IPv6Address(address)
    except ValueError:
        return False
    if not parsed.is_global or parsed.is_multicast or parsed.is_link_local:
        return False
    groups = [group for group in address.split(":") if group]
    if "::" in address:
        # Global unicast is 2000::/3 (RFC 4291); `std::dec` and `a::b` are code.
        return len(groups) >= 2 and len(groups[0]) == 4 and groups[0][0] in "23" and not address.startswith("::")
    # Eight groups of two are a hardware address, of decimals a list.
    return sum(len(group) > 2 for group in groups) >= 4
