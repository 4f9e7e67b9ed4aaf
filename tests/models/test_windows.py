import numpy as np
import pytest

from timesenclip_hf import TimeSenCLIPFeatureExtractor
from timesenclip_hf.models.timesenclip.options_timesenclip import SeriesOptions
from timesenclip_hf.models.windows import share_window, windows_of

READER = TimeSenCLIPFeatureExtractor()


def series_of(*months, clear=None):
    """A series with an acquisition in the middle of each month, those not in `clear` hidden."""
    values = np.full((len(months), 10), 1500)
    if clear is not None:
        values[[month not in clear for month in months]] = 65535
    return {"series": values, "dates": [f"{month}-15" for month in months]}


def months(first, count):
    return [str(month) for month in np.datetime64(first, "M") + np.arange(count)]


def windows(items, **settings):
    dates = [np.array(item["dates"], "datetime64[D]") for item in items]
    return [str(start) for start in windows_of(READER, items, dates, SeriesOptions(**settings))]


def test_series_share_the_window_with_the_most_observed_months_of_all():
    # The first alone would take 2019; the others have more of the months from March 2018.
    items = [series_of(*months("2018-03", 22))] + [series_of(*months("2018-03", 12))] * 2
    assert windows(items[:1]) == ["2019-01"]
    assert windows(items) == ["2018-03"] * 3


def test_a_tie_goes_to_a_calendar_year_and_then_to_the_later():
    assert windows([series_of(*months("2017-01", 36))] * 2) == ["2019-01"] * 2


def test_plots_of_different_years_keep_their_own():
    items = [series_of(*months("2016-01", 12)), series_of(*months("2019-01", 12))]
    assert windows(items) == ["2016-01", "2019-01"]
    shared, options = share_window(READER, items, SeriesOptions())
    assert [item["season"] for item in shared] == ["2016-01", "2019-01"]
    assert options.season is None
    assert READER(shared, options)["series_mask"].all()


def test_a_year_that_is_asked_for_is_taken_also_of_a_single_series():
    items = [series_of(*months("2018-01", 24)), {**series_of(*months("2018-01", 24)), "season": "2018-07"}]
    assert windows(items, year=2018) == ["2018-01", "2018-07"]
    with pytest.raises(ValueError, match="No acquisition is of 2021"):
        windows(items, year=2021)


def test_series_without_a_clear_observation_take_part_in_no_choice():
    items = [series_of(*months("2018-01", 24), clear=()), series_of(*months("2018-03", 12))]
    assert windows(items) == ["2018-03"] * 2


def test_series_of_one_year_or_without_dates_are_left_as_they_are():
    for items in ([series_of(*months("2018-01", 12))] * 2, [{"series": np.full((12, 10), 1500)}] * 2):
        assert share_window(READER, items, SeriesOptions()) == (items, SeriesOptions())
