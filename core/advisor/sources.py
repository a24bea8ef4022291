"""The sources that recommendations cite, each named once."""

GUIDE_A = "guide A, a long practical guide (French, 2024)"
GUIDE_B = "guide B, a trainer's overview of methods (French, 2024)"
GUIDE_C = "guide C, Microsoft's Generative AI for Beginners, lesson 18"
GUIDE_D = "guide D, a practical overview (French, 2025)"
GUIDE_E = "guide E, on LoRA and QLoRA in production (French, 2025)"
LORA_REGRET = "Thinking Machines, LoRA Without Regret (2025)"
UNSLOTH = "Unsloth's fine-tuning guide"
QLORA_PAPER = "QLoRA, arxiv.org/abs/2305.14314"
DPO_PAPER = "DPO paper, arxiv.org/abs/2305.18290"
KTO_PAPER = "KTO paper, arxiv.org/abs/2402.01306"
PEFT = "PEFT 0.21, lora.ParamWrapper"
STARTER = "measured on the bundled starter (bench/claim.py)"
YOUR_DATA = "measured on your data"
THE_START = "the start run's adapter"
THIS_BOX = "estimated for this machine"
DIAPASON = "Diapason's default"
YOU = "chosen by you"


def short(source: str) -> str:
    """`source` as it stands in a comment or a column: each name up to its first comma or bracket."""
    names = [name.partition(",")[0].partition(" (")[0].strip() for name in source.split("; ")]
    return "; ".join(name for name in names if name)
