"""Leave pixels unnamed whose class is too unsure."""

from ...extras import needs_extra
from ..files.legend import NO_CLASS, UNCERTAIN

with needs_extra("map"):
    import xarray as xr


def reject(mapped: xr.Dataset, threshold: float) -> xr.Dataset:
    """Give the class "uncertain" to every pixel whose probability is below a threshold.

    Coarse classes go by their own probability. All other layers stay, so that the threshold can be changed later.

    Args:
        mapped: a map, lazy or not; the result is the same.
        threshold: probability, 0 to 1.

    Raises:
        ValueError: the threshold is no probability.
    """
    check_threshold(threshold)
    changed = {}
    for name, score in (("class", "probability"), ("class_coarse", "probability_coarse")):
        if name in mapped:
            classes = mapped[name]
            sure = (classes == NO_CLASS) | (mapped[score] >= threshold)
            changed[name] = classes.where(sure, classes.dtype.type(UNCERTAIN)).assign_attrs(classes.attrs)
    return mapped.assign(changed).assign_attrs(reject_threshold=float(threshold))


def check_threshold(threshold: float) -> None:
    """Refuse what is no probability.

    Raises:
        ValueError: it is none.
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"The threshold is a probability between 0 and 1, got {threshold}.")
