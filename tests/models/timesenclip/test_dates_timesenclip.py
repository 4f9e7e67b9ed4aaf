import re
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from timesenclip_hf.models.timesenclip.dates_timesenclip import combine_dates, parse_dates, read_times

DAY = datetime(2018, 5, 4, 10, 54, 21, tzinfo=UTC)
SECONDS = int(DAY.timestamp())


class CftimeDate:
    """A date of a calendar that Python does not have, by the attributes of cftime."""

    year, month, day, hour, minute, second = 2018, 5, 4, 12, 0, 0


@pytest.mark.parametrize(
    "day",
    [
        "2018-05-04",
        "2018-5-4",
        "2018/05/04",
        "2018.5.4",
        "20180504",
        "2018124",
        "2018-124",
        "2018-05-04T10:54:21.024Z",
        "2018-05-04 10:54:21+00:00",
        "2018-05-04T23:30-11:00",
        "20180504T105421",
        "04.05.2018",
        "4 May 2018",
        "04-May-2018",
        "May 4, 2018",
        b"2018-05-04",
        20180504,
        20180504.0,
        2018124,
        SECONDS,
        SECONDS * 1000,
        str(SECONDS * 1000),
        SECONDS * 10**6,
        SECONDS * 10**9,
        date(2018, 5, 4),
        datetime(2018, 5, 4, 3),
        datetime(2018, 5, 4, tzinfo=timezone(timedelta(hours=10))),
        np.datetime64("2018-05-04"),
        np.datetime64("2018-05-04T10:54:21.024"),
        pd.Timestamp("2018-05-04", tz="Europe/Paris"),
        CftimeDate(),
    ],
)
def test_a_date_is_read_in_any_form(day):
    assert parse_dates([day]).tolist() == [date(2018, 5, 4)]


@pytest.mark.parametrize("month", ["201805", 201805, "2018-05", "2018/5", "May 2018", "2018_May", "2018-05-01"])
def test_a_month_stands_for_its_first_day(month):
    assert parse_dates([month]).tolist() == [date(2018, 5, 1)]


@pytest.mark.parametrize(
    ("dates", "first", "note"),
    [
        (["05/04/2018", "13/04/2018"], "2018-04-05", "are read with the day first"),
        (["05/04/2018", "04/13/2018"], "2018-05-04", "are read with the month first"),
        (["05.04.2018"], "2018-04-05", "05.04.2018 are read with the day first"),
        ([SECONDS * 1000], "2018-05-04", rf"{SECONDS}000 are read as milliseconds since 1970 \(2018-05-04\)"),
        ([SECONDS], "2018-05-04", "are read as seconds since 1970"),
    ],
)
def test_what_had_to_be_decided_is_said(dates, first, note):
    times, notes = read_times(dates)
    assert str(times[0])[:10] == first
    assert len(notes) == 1
    assert re.search(note, notes[0])


@pytest.mark.parametrize(
    ("stamps", "days"),
    [
        (["2016-12-31T23:00", "2017-01-31T23:00"], ["2017-01-01", "2017-02-01"]),
        (["2016-12-31T23:00Z", "2017-06-30T22:00Z"], ["2017-01-01", "2017-07-01"]),
        (["2017-01-10T22:00", "2017-01-20T22:00"], ["2017-01-11", "2017-01-21"]),
        (["2016-12-31T18:30"], ["2017-01-01"]),
        (["2016-12-31T23:00", "2017-01-15T23:00"], ["2016-12-31", "2017-01-15"]),
        (["2016-12-31T23:05", "2017-01-31T23:05"], ["2016-12-31", "2017-01-31"]),
        (["2016-12-31T23:00", "2017-01-31T15:00"], ["2016-12-31", "2017-01-31"]),
        (["2016-12-31T12:00", "2017-01-31T12:00"], ["2016-12-31", "2017-01-31"]),
        (["2016-12-31", "2017-01-31"], ["2016-12-31", "2017-01-31"]),
    ],
)
def test_only_stamps_that_can_be_nothing_but_local_midnight_are_of_the_next_day(stamps, days):
    for values in (stamps, np.array([stamp.removesuffix("Z") for stamp in stamps], dtype="datetime64[ns]")):
        times, notes = read_times(values)
        assert [str(time)[:10] for time in times] == days
        assert bool(notes) == (days[0] != stamps[0][:10])


@pytest.mark.parametrize(
    ("dates", "message"),
    [
        (["2018-05-04", "04/05/2018"], "'04/05/2018' could have the day first or the month, and no date beside it"),
        (["04/13/2018", "13/04/2018"], "have now the day first, now the month"),
        (["2018-13-01"], "'2018-13-01' is not a date: write dates as YYYY-MM-DD"),
        (["2018-02-30"], "'2018-02-30' is not a date"),
        (["2018366"], "'2018366' is not a date"),
        (["2018-05-04T25:00"], "'2018-05-04T25:00' is not a date"),
        (["4.5.18"], "'4.5.18' is not a date"),
        (["2018"], "'2018' is not a date"),
        (["yesterday"], "'yesterday' is not a date"),
        ([43115], "Dates such as 43115 are a spreadsheet's count of days: format the column as YYYY-MM-DD"),
        (["43115"], "'43115' is a spreadsheet's count of days"),
        ([1, 2], "Dates must be ISO strings or dates, got numbers such as 1"),
        ([2018.5], "got numbers such as 2018.5"),
        ([20180504, 7], "got numbers such as 7"),
        (["NaT"], "A date is empty"),
        ([20180504, np.nan], "A date is empty"),
        (["2018-05-04", None], "A date is empty"),
    ],
)
def test_what_is_not_a_date_or_could_be_two_is_named(dates, message):
    with pytest.raises(ValueError, match=message):
        parse_dates(dates)


@given(days=st.lists(st.dates(date(1970, 1, 1), date(2099, 12, 31)), min_size=1), data=st.data())
def test_every_form_gives_the_same_dates_in_any_order(days, data):
    days = data.draw(st.permutations(days))
    forms = [
        [str(day) for day in days],
        [f"{day:%Y%m%d}" for day in days],
        [int(f"{day:%Y%m%d}") for day in days],
        [f"{day:%Y%j}" for day in days],
        [f"{day.year}/{day.month}/{day.day}" for day in days],
        [f"{day.day}.{day.month}.{day.year}" for day in days] + ["31.12.2018"],
        np.array(days, dtype="datetime64[D]"),
        pd.Series(pd.to_datetime(days)),
    ]
    for form in forms:
        assert parse_dates(form)[: len(days)].tolist() == days


def test_dates_keep_their_shape():
    assert parse_dates([["2018-01-01", "2018-02-01"]] * 3).shape == (3, 2)


def test_dates_are_made_of_columns_of_years_months_and_days():
    years = ["2018", 2018.0, 2019]
    assert combine_dates(years, [1, 2, 3]).tolist() == [date(2018, 1, 1), date(2018, 2, 1), date(2019, 3, 1)]
    assert combine_dates(years[1:], [2, 3], [4, 5]).tolist() == [date(2018, 2, 4), date(2019, 3, 5)]
    assert combine_dates([2018, 2020], days_of_year=[182, 366]).tolist() == [date(2018, 7, 1), date(2020, 12, 31)]
    with pytest.raises(ValueError, match="2018-2-30 is not a date"):
        combine_dates([2018], [2], [30])
    with pytest.raises(ValueError, match="Years alone are no dates"):
        combine_dates([2018])
    with pytest.raises(ValueError, match="must be whole numbers, and none may be empty"):
        combine_dates([2018, 2018], [1, np.nan])
