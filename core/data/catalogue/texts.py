"""What a row's text holds."""

from __future__ import annotations

from core.data.catalogue.code import Code

TEXTS: dict[str, Code] = {
    "control_chars": Code(
        "warning",
        "control characters in the text",
        "The model learns to write them.",
        "Strip them; they are debris of another format.",
    ),
    "terminal_escape": Code(
        "warning",
        "terminal escape sequences",
        "They act on a terminal that shows them.",
        "Strip them: ESC … sequences are colours and commands, not text.",
    ),
    "bidi_control": Code(
        "warning",
        "bidirectional control characters",
        "Text reads otherwise than it is stored.",
        "Strip them unless you know why they are there.",
    ),
    "zero_width": Code(
        "warning",
        "zero-width characters",
        "Invisible, yet tokens of their own: words no longer match.",
        "Strip them.",
    ),
    "placeholder": Code(
        "warning",
        "a prompt or an answer that is only a placeholder",
        "The model learns to write it, or to answer nothing.",
        "Fill it in, leave the field empty where it may be, or drop the row.",
    ),
    "template_placeholder": Code(
        "warning",
        "a field of a template that was never filled in",
        "The model learns to write the mark in place of the word.",
        "Put the words in, or drop the row.",
    ),
    "special_token": Code(
        "warning",
        "control tokens of a chat template inside the text",
        "A tokenizer takes them for the end of a turn or of the text, not for letters.",
        "Strip them; the model's own template puts them in.",
    ),
    "mojibake": Code(
        "warning",
        "text decoded with the wrong encoding",
        "The model learns Ã© for é, and words no longer match.",
        "Repair it (ftfy does), or decode the source again with the encoding named.",
    ),
    "replacement_char": Code(
        "warning",
        "U+FFFD, which stands for characters lost in decoding",
        "What was there is gone, and the model learns to write the sign.",
        "Decode the source again with its own encoding, or drop the row.",
    ),
    "pii_email": Code(
        "warning",
        "an e-mail address",
        "It identifies a person, and a model can repeat it word for word.",
        "Redact it, or note in the data card why it may stay.",
    ),
    "pii_phone": Code(
        "warning",
        "a telephone number",
        "It reaches a person, and a model can repeat it word for word.",
        "Redact it, or note in the data card why it may stay.",
    ),
    "pii_iban": Code(
        "warning",
        "a bank account number (IBAN)",
        "It is somebody's account, and a model can repeat it word for word.",
        "Redact it, or note in the data card why it may stay.",
    ),
    "pii_card": Code(
        "warning",
        "a payment card number",
        "It can be charged, and a model can repeat it word for word.",
        "Redact it, or note in the data card why it may stay.",
    ),
    "pii_nir": Code(
        "warning",
        "a French social security number (NIR)",
        "The law guards it above all others, and a model can repeat it.",
        "Redact it, or note in the data card why it may stay.",
    ),
    "pii_ssn": Code(
        "warning",
        "an American social security number",
        "It opens accounts in a person's name, and a model can repeat it.",
        "Redact it, or note in the data card why it may stay.",
    ),
    "pii_ip": Code(
        "warning",
        "an IP address",
        "It can lead to a person, and a model can repeat it word for word.",
        "Redact it, or note in the data card why it may stay.",
    ),
    "secret": Code(
        "warning",
        "a key, a token or a private key",
        "Who has the file or the model can use it.",
        "Revoke it with its maker first, then redact it.",
    ),
}
