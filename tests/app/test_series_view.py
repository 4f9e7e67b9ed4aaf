import pytest

from timesenclip_hf.app.series_view import SeriesView
from timesenclip_hf.app.upload_reading import read_series
from timesenclip_hf.data.sources.tables import read_table
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS


@pytest.fixture
def view(page_model, index, uploads):
    return SeriesView(page_model, index, uploads)


def test_a_table_is_read_as_the_command_reads_it_and_chosen_from_by_number(tmp_path, view):
    lines = ["id,month," + ",".join(BANDS)]
    lines += [f"{name},{month}," + ",".join(["0.2"] * 10) for name in ("a", "b") for month in range(1, 13)]
    file = tmp_path / "series.csv"
    file.write_text("\n".join(lines))
    assert read_series(file).ids == read_table(file).ids == ["a", "b"]
    for number, origin in ((2, "Series 2 of 2, b, of series.csv."), (None, "Series 1 of 2, a, of series.csv.")):
        assert origin in view.show(None, str(file), False, number, "maize, water")[0]
    with pytest.raises(ValueError, match="no series 3: the file has 2"):
        view.show(None, str(file), False, 3, "maize, water")


def test_without_an_example_or_a_file_one_is_asked_for(view):
    with pytest.raises(ValueError, match="There is no series: choose an example or upload a file"):
        view.show(None, None, False, 1, "maize, water")
