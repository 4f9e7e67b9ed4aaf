"""Hold the names that columns of tables go by, and list names for sentences: what needs no library of tables."""

from collections.abc import Iterable
from typing import Any

# Columns that name a series, those first that are asked first; capitals, spaces and underscores do not matter. After
# these comes the only other column whose name ends in "id".
ID_COLUMNS = (
    "id",
    "sample_id",
    "series_id",
    "location_id",
    "point_id",
    "plot_id",
    "parcel_id",
    "field_id",
    "site_id",
    "station_id",
    "pixel_id",
    "polygon_id",
    "uid",
    "uuid",
    "gml_id",
    "fid",
    "ogc_fid",
    "objectid",
    "system:index",
)
DATE_COLUMNS = (
    "date",
    "datetime",
    "timestamp",
    "acquisition_date",
    "acquisition_time",
    "acquisition",
    "acquired",
    "sensing_date",
    "sensing_time",
    "observation_date",
    "obs_date",
    "image_date",
    "system:time_start",
)
# Columns that may hold a date, or something else: sits' Index, the hours of a day, numbers of rows.
WEAK_DATE_COLUMNS = ("time", "t", "index", "day", "start_date", "from")
IMAGE_COLUMNS = (
    "imageid",
    "image",
    "product_id",
    "product",
    "granule_id",
    "granule",
    "scene_id",
    "scene",
    "tile_id",
    "id",
    "system:index",
    "name",
    "title",
)
# Added with the name of the file of each row, where files are read as one table.
FILE_COLUMN = "file of the row"
YEAR_COLUMNS, MONTH_COLUMNS, DAY_COLUMNS = ("year", "yr"), ("month", "mon"), ("day", "dom", "day_of_month")
DOY_COLUMNS = ("doy", "day_of_year", "dayofyear", "julian_day", "yday")
PLACE_COLUMNS = (("longitude", "lon", "x"), ("latitude", "lat", "y"))


def list_names(names: Iterable[Any]) -> str:
    """List the first six of some names, for sentences; the column that we add is none of the user's."""
    listed = [str(name) for name in names if name != FILE_COLUMN]
    return ", ".join(listed[:6]) + (", ..." if len(listed) > 6 else "")
