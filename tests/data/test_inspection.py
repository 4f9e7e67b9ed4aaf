from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from tests.support.small_cubes import small_cube
from timesenclip_hf.cli import app
from timesenclip_hf.data.inspection import inspect_source
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS


def write_table(path: Path, scale: float = 1.0, months: range = range(1, 13)) -> Path:
    numbers = np.random.default_rng(0).integers(300, 4_000, (3, len(months) * 10)) * scale
    frame = pd.DataFrame(numbers, columns=[f"{band}_{month:02d}" for month in months for band in BANDS])
    frame.insert(0, "plot_id", ["007", "b", "c"])
    frame.loc[1, frame.columns[1:]] = np.nan
    frame.to_csv(path, index=False)
    return path


def test_a_table_is_told_by_series_bands_times_unit_and_gaps(tmp_path):
    told = inspect_source([write_table(tmp_path / "series.csv")])
    assert told.subject == "series.csv: a table of 3 series"
    assert told.refusal is None
    for sentence in (
        "Series: 3, with the ids 007, b, c.",
        f"Bands: {', '.join(BANDS)}.",
        "Times: 12 calendar months a series.",
        "Unit: the values are read as digital numbers (reflectance times 10,000).",
        "Months observed: 12 of 12, 12.0 on average.",
        "No observation: 1 of 3 series: b.",
    ):
        assert sentence in told.sentences


def test_what_a_command_would_refuse_is_told_with_the_rest(tmp_path):
    told = inspect_source([write_table(tmp_path / "series.csv", scale=0.01)])
    assert told.refusal is not None
    assert "per cent" in told.refusal
    assert "Times: 12 calendar months a series." in told.sentences
    assert str(told).splitlines()[-1].startswith("  It would be refused: Values up to")
    printed = CliRunner().invoke(app, ["inspect", str(tmp_path / "series.csv")])
    assert "or pass --units percent" in printed.output


def test_a_folder_of_tables_may_hold_notes_and_nothing_of_ours_is_among_its_columns(tmp_path):
    write_table(tmp_path / "series.csv")
    (tmp_path / "README.md").write_text("of 2019")
    assert inspect_source([tmp_path]).subject.endswith("a table of 3 series")
    (tmp_path / "labels.csv").write_text("id,label\na,maize\n")
    with pytest.raises(ValueError, match=r"\(long\); its columns are id, label\.$"):
        inspect_source([tmp_path / "labels.csv"])


def test_a_cube_is_told_by_what_its_readers_noted_and_the_command_prints_it(tmp_path):
    path = tmp_path / "cube.nc"
    small_cube().to_netcdf(path, engine="h5netcdf")
    lines = str(inspect_source([path])).splitlines()
    assert lines[0] == "cube.nc: a cube"
    for beginning in ("Bands: ", "Grid: ", "Times: ", "Offset: ", "Unit: ", "Months observed: "):
        assert any(line.strip().startswith(beginning) for line in lines)
    printed = CliRunner().invoke(app, ["inspect", str(path)])
    assert printed.exit_code == 0
    assert lines[0] in printed.output


def test_what_is_neither_table_nor_cube_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="No such file"):
        inspect_source([tmp_path / "nowhere.nc"])
    (tmp_path / "notes.md").write_text("# Notes\n")
    with pytest.raises(ValueError, match=r"notes\.md is no NetCDF"):
        inspect_source([tmp_path / "notes.md"])
