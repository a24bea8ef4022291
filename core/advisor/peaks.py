"""The speed that NVIDIA states for its cards, for estimates and for MFU."""

from __future__ import annotations

import re

# Cards before Ampere (compute capability below 8.0) have no bfloat16 units (NVIDIA's CUDA guide, "Arithmetic
# Instructions"): Pascal, Volta, Turing.
NO_BF16 = re.compile(
    r"\b(V100S?|P100|P40|P4|T4|T4G|M40|M60|K80|TITAN (X|Xp|V|RTX)|GTX \d+|RTX 20\d\d|Quadro RTX|T1000|T600|T400)\b",
    re.IGNORECASE,
)
# A slice of a card and a laptop's card are slower than their name says.
_LESS = re.compile(r"\bMIG\b|Laptop|Max-Q|Mobile", re.IGNORECASE)
# (name, TFLOP/s in 16 bits, TFLOP/s in float32); the first match counts. 16 bits: dense tensor cores, bfloat16 or
# float16 with float32 sums: half of what data sheets state "with sparsity", and on GeForce half of the rate with
# float16 sums. float32: CUDA cores, for torch does not use TF32 unless told to. From NVIDIA's data sheets (A100, A30,
# A10, A40, A2, RTX A-series, H100, H200, L4, L40, L40S, T4, V100, HGX B200) and architecture whitepapers (Turing,
# Ampere GA102, Ada, RTX Blackwell); a GeForce card that these leave out has twice its float32 rate.
_PEAKS = (
    (r"\bGB200\b", 2500, 80), (r"\bB200\b", 2250, 75), (r"\bH20\b", 148, 44),
    (r"\b(H100|H200|H800) NVL\b", 835, 60), (r"\b(H100|H800) PCIe\b", 756, 51),
    (r"\b(GH200|H200|H100|H800)\b", 989.4, 67), (r"\b(A100|A800)\b", 312, 19.5), (r"\bA30\b", 165, 10.3),
    (r"\bL40S\b", 362, 91.6), (r"\bL40\b", 181, 90.5), (r"\bL4\b", 121, 30.3), (r"\bL20\b", 119.5, 59.8),
    (r"RTX 6000 Ada", 364.2, 91.1), (r"\bA40\b", 149.7, 37.4), (r"\bA10G\b", 70, 35), (r"\bA10\b", 125, 31.2),
    (r"\bA2\b", 18, 4.5), (r"\bA6000\b", 154.8, 38.7), (r"\bA5000\b", 111.1, 27.8), (r"\bA4000\b", 76.7, 19.2),
    (r"RTX PRO 6000", 503.8, 125), (r"RTX 5090\b(?! D)", 209.5, 104.8), (r"RTX 5080", 112.6, 56.3),
    (r"RTX 5070 Ti", 87.9, 43.9), (r"RTX 5070", 61.7, 30.9), (r"RTX 4090\b(?! D)", 165.2, 82.6),
    (r"RTX 4080(?! SUPER)", 97.5, 48.7), (r"RTX 4070 Ti(?! SUPER)", 80.2, 40.1),
    (r"RTX 4070(?! Ti| SUPER)", 58.3, 29.1), (r"RTX 4060 Ti", 44.1, 22.1), (r"RTX 4060", 30.2, 15.1),
    (r"RTX 3090 Ti", 80, 40), (r"RTX 3090", 71, 35.6), (r"RTX 3080 Ti", 68.2, 34.1), (r"RTX 3080", 59.5, 29.8),
    (r"RTX 3070 Ti", 43.5, 21.7), (r"RTX 3070", 40.6, 20.3), (r"RTX 3060 Ti", 32.4, 16.2), (r"RTX 3060", 25.6, 12.7),
    (r"\bV100\S*PCIE", 112, 14), (r"\bV100\b", 125, 15.7), (r"\bT4G?\b", 65, 8.1),
    (r"TITAN RTX", 130.5, 16.3), (r"RTX 2080 Ti", 53.8, 13.4),
)  # fmt: skip


def peak_flops(card: str, dtype: str) -> float | None:
    """Floating-point operations a second that NVIDIA states for a card, dense; None where it is not known.

    Args:
        card: its name as the driver gives it: NVIDIA H100 80GB HBM3.
        dtype: what it computes in: bfloat16, float16 or float32.
    """
    if _LESS.search(card) or (dtype == "bfloat16" and NO_BF16.search(card)):
        return None
    for pattern, half, single in _PEAKS:
        if re.search(pattern, card, re.IGNORECASE):
            return (single if dtype == "float32" else half) * 1e12
    return None
