import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from timesenclip_hf.models.timesenclip.steps_timesenclip import Steps, likely_step


@pytest.mark.parametrize(
    ("start", "step", "dates"),
    [
        ("2018-11", "month", ["2018-11-01", "2018-12-01", "2019-01-01"]),
        ("2018-01-15", "monthly", ["2018-01-01", "2018-02-01", "2018-03-01"]),
        ("2018", "half-month", ["2018-01-01", "2018-01-16", "2018-02-01"]),
        ("2018-02-11", "dekad", ["2018-02-11", "2018-02-21", "2018-03-01"]),
        ("20180101", "week", ["2018-01-01", "2018-01-08", "2018-01-15"]),
        ("2018-01-01", "16 days", ["2018-01-01", "2018-01-17", "2018-02-02"]),
        ("2018-02-27", "daily", ["2018-02-27", "2018-02-28", "2018-03-01"]),
    ],
)
def test_steps_follow_the_first(start, step, dates):
    assert Steps(start, step).dates(np.arange(3)).astype(str).tolist() == dates


@given(count=st.integers(1, 80), step=st.sampled_from(["month", "half-month", "dekad", "week", "5days", "16days"]))
def test_later_steps_are_later_whatever_the_step(count, step):
    dates = Steps("2018-01-01", step).dates(np.arange(count))
    assert (np.diff(dates) > np.timedelta64(0)).all()


def test_a_year_of_dekads_has_three_in_every_month():
    months = Steps("2018", "dekad").dates(np.arange(36)).astype("datetime64[M]")
    assert np.unique(months, return_counts=True)[1].tolist() == [3] * 12


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        (
            Steps("2018", None),
            "A start without a step dates no step: give both, such as --start 2018-01-01 --step month",
        ),
        (Steps(None, "month"), "A step without a start dates no step"),
        (Steps("soon", "month"), "The start must be a date such as 2018-01-01, got 'soon'"),
        (
            Steps("2018", "fortnight"),
            "The step must be month, half-month, dekad, week, or days such as 16days, got 'fort",
        ),
        (Steps("2018", "0days"), "The step must be"),
    ],
)
def test_a_start_or_a_step_that_cannot_be_read_is_refused(steps, sentence):
    with pytest.raises(ValueError, match=sentence):
        steps.dates(np.arange(12))


def test_the_likeliest_step_is_told_by_how_many_there_are():
    counts = {
        12: "month",
        24: "half-month",
        36: "dekad",
        23: "16days",
        46: "8days",
        52: "week",
        73: "5days",
        7: "month",
    }
    assert {count: likely_step(count) for count in counts} == counts
