"""Keys and passwords that open something, known by the marks that their makers gave them. No guessing by entropy."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

import orjson

from core.data.pii.span import Span

# Each form as its maker documents it: prefix, alphabet, length. What is added here needs a mark in checks/gate.py.
FORMS: tuple[tuple[str, str], ...] = (
    ("AWS access key", r"(?:AKIA|ASIA)[A-Z0-9]{16}"),
    ("GitHub token", r"gh[opusr]_[A-Za-z0-9]{36,251}|github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"),
    ("GitLab token", r"gl(?:pat|dt|rt|cbt|ptt|ft|soat)-[A-Za-z0-9_\-]{20,64}"),
    ("Anthropic key", r"sk-ant-[a-z]{3,5}\d\d-[A-Za-z0-9_\-]{80,120}"),
    ("OpenRouter key", r"sk-or-v1-[0-9a-f]{64}"),
    ("OpenAI key", r"sk-(?:proj|svcacct|admin|None)-[A-Za-z0-9_\-]{20,200}|sk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}|"
                   r"sk-[A-Za-z0-9]{32,64}"),
    ("Hugging Face token", r"hf_[A-Za-z0-9]{30,40}|api_org_[A-Za-z0-9]{34}"),
    ("Slack token", r"xox[abeoprs]-(?:[0-9]{8,14}-){1,3}[A-Za-z0-9\-]{16,80}|xapp-\d-[A-Z0-9]+-\d+-[a-f0-9]{20,80}"),
    ("Slack webhook", r"hooks\.slack\.com/services/T[A-Z0-9]{7,12}/B[A-Z0-9]{7,12}/[A-Za-z0-9]{20,32}"),
    ("Google API key", r"AIza[0-9A-Za-z_\-]{35}"),
    ("Google OAuth secret", r"GOCSPX-[A-Za-z0-9_\-]{28}"),
    ("Stripe key", r"(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{20,247}|whsec_[A-Za-z0-9+/=]{32,64}"),
    ("SendGrid key", r"SG\.[A-Za-z0-9_\-]{22}\.[A-Za-z0-9_\-]{43}"),
    ("npm token", r"npm_[A-Za-z0-9]{36}"),
    ("PyPI token", r"pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_\-]{50,300}"),
    ("Groq key", r"gsk_[A-Za-z0-9]{48,60}"),
    ("xAI key", r"xai-[A-Za-z0-9]{70,90}"),
    ("NVIDIA key", r"nvapi-[A-Za-z0-9_\-]{60,80}"),
    ("Replicate token", r"r8_[A-Za-z0-9]{37}"),
    ("DigitalOcean token", r"do[opr]_v1_[a-f0-9]{64}"),
    ("Databricks token", r"dapi[a-f0-9]{32}(?:-\d)?"),
    ("Shopify token", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    ("Telegram bot token", r"\d{8,10}:AA[A-Za-z0-9_\-]{33}"),
    ("age key", r"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
    ("JSON Web Token", r"eyJ[A-Za-z0-9_\-]{8,}\.eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{16,}"),
)  # fmt: skip
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9_\-])(?:"
    + "|".join(f"(?P<k{number}>{form})" for number, (_, form) in enumerate(FORMS))
    + r")(?![A-Za-z0-9_\-])"
)
_PEM = re.compile(
    r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----(?P<body>[^-]{40,20000})"
    r"(?:-----END [A-Z0-9 ]{0,40}-----)?"
)
_PEM_DATA = re.compile(r"[A-Za-z0-9+/=]{40}")
# What people write where a key would stand, and keys that handbooks print (AWS's, jwt.io's).
_SAMPLE = re.compile(
    r"EXAMPLE|example|x{6}|X{6}|\*{4}|0{8}|1234567|abcdefg|ABCDEFG|your|YOUR|placeholder|PLACEHOLDER|redacted|REDACTED|dummy|fake"
)
_JWT_SAMPLE = ("1234567890",)


def find_secrets(text: str) -> Iterator[Span]:
    """Keys, tokens and private keys of known form; samples that handbooks print are none."""
    for match in _TOKEN.finditer(text):
        name = FORMS[int(str(match.lastgroup)[1:])][0]
        if _real(name, match.group()):
            yield Span("secret", match.start(), match.end(), name)
    if "PRIVATE KEY" in text:
        for match in _PEM.finditer(text):
            if _PEM_DATA.search(match["body"]):
                yield Span("secret", match.start(), match.end(), "private key")


def _real(name: str, token: str) -> bool:
    if name == "JSON Web Token":
        header, claims = (_decoded(part) for part in token.split(".")[:2])
        sample = isinstance(claims, dict) and claims.get("sub") in _JWT_SAMPLE
        return isinstance(header, dict) and "alg" in header and not sample
    if _SAMPLE.search(token):
        return False
    # A key is drawn at random: words with hyphens have no digits, a filler few different characters.
    body = token[4:]
    if not any(char.isdigit() for char in body) and (
        name in ("OpenAI key", "Slack token")
        or (name in ("Stripe key", "GitLab token") and (body.islower() or body[2:].isupper() or "-" in body[2:]))
    ):
        return False
    return len(set(body)) > 6


def _decoded(part: str) -> object:
    try:
        return orjson.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, binascii.Error):
        return None
