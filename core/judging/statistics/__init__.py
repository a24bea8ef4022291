"""The statistics of judgements: how sure a preference is, and what may have misled the judge.

Each module stands alone; what costs an import of numpy, scipy or evalica is imported where it is used.
"""

from core.judging.statistics.proportion import Share, p_value, percent, sign_test, wilson
from core.judging.statistics.stopping import enough, target

__all__ = ["Share", "enough", "p_value", "percent", "sign_test", "target", "wilson"]
