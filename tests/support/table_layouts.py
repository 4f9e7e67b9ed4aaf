"""Write one set of series in the layouts and forms of tables that people have, each to give what the control gives."""

import gzip
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS

IDS = ("007", "010", "0011", "2")
EARTH_ENGINE = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")
EARTH_SEARCH = ("blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "swir16", "swir22")
DIGITAL_EARTH = ("blue", "green", "red", "red_edge_1", "red_edge_2", "red_edge_3", "nir_1", "nir_2", "swir_1", "swir_2")
FORCE = ("BLU", "GRN", "RED", "RE1", "RE2", "RE3", "BNR", "NIR", "SW1", "SW2")
THEIA = tuple(f"FRE_{band}" for band in EARTH_ENGINE)
OPENEO = tuple(band.lower() for band in BANDS)
YEAR = 2019
PLACES = ((3.02, 50.81), (3.03, 50.82), (3.04, 50.83), (3.05, 50.84))


class TableLayout(NamedTuple):
    """Describe a layout.

    Attributes:
        name: source and form.
        write: takes a folder and the control's rows, and returns what `read_table` takes.
        options: of the reading besides; None where the table must be refused.
        ids: that the series have, in the order of the control.
    """

    name: str
    write: Callable[[Path, pd.DataFrame], Any]
    options: Mapping[str, Any] | None = {}
    ids: tuple[str, ...] = IDS


def control(seed: int = 0) -> np.ndarray:
    """Make the series, digital numbers (series, 12, 10), of which one lacks two months, NaN."""
    values = np.random.default_rng(seed).integers(150, 4000, (len(IDS), 12, len(BANDS))).astype(float)
    values[1, 3:5] = np.nan
    return values


def rows_of(values: np.ndarray, names: tuple[str, ...] = BANDS) -> pd.DataFrame:
    """Lay out series as rows with `id`, `month` and a column a band, integers."""
    rows = [
        {"id": IDS[series], "month": month + 1, **dict(zip(names, map(int, values[series, month]), strict=True))}
        for series in range(len(values))
        for month in range(12)
        if not np.isnan(values[series, month]).any()
    ]
    return pd.DataFrame(rows)


def dated(rows: pd.DataFrame, form: str = "%Y-%m-%d", name: str = "date") -> pd.DataFrame:
    """Put dates in the middle of their months in place of the months."""
    dates = pd.to_datetime({"year": YEAR, "month": rows["month"], "day": 15})
    return rows.assign(**{name: dates.dt.strftime(form)}).drop(columns="month")


def renamed(rows: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    """Call the bands by other names."""
    return rows.rename(columns=dict(zip(BANDS, names, strict=True)))


def shifted(rows: pd.DataFrame, offsets: Any) -> pd.DataFrame:
    """Add offsets to the bands, one a row."""
    return rows.assign(**{band: rows[band] + np.asarray(offsets) for band in BANDS})


def _csv(name: str, make: Callable[[pd.DataFrame], pd.DataFrame], **settings: Any) -> Callable[..., Path]:
    def write(folder: Path, rows: pd.DataFrame) -> Path:
        make(rows).to_csv(folder / name, **{"index": False, **settings})
        return folder / name

    return write


def _content(name: str, make: Callable[[str], bytes | str]) -> Callable[..., Path]:
    """Write the control's CSV with its text changed."""

    def write(folder: Path, rows: pd.DataFrame) -> Path:
        content = make(dated(rows).to_csv(index=False, lineterminator="\n"))
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return folder / name

    return write


def _excel(folder: Path, rows: pd.DataFrame, sheet: str = "") -> str:
    with pd.ExcelWriter(folder / "table.xlsx") as writer:
        dated(rows).to_excel(writer, sheet_name="Series", index=False)
        pd.DataFrame({"about": ["nothing"]}).to_excel(writer, sheet_name="Notes", index=False)
    return f"{folder / 'table.xlsx'}{sheet}"


def _excel_numbers(folder: Path, rows: pd.DataFrame) -> Path:
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    table = dated(rows)
    sheet.append(list(table.columns))
    for row in table.itertuples(index=False):
        sheet.append([float(row[0]), *(int(cell) for cell in row[1:-1]), pd.Timestamp(row[-1]).to_pydatetime()])
    book.save(folder / "table.xlsx")
    return folder / "table.xlsx"


def _parquet(make: Callable[[pd.DataFrame], pd.DataFrame], **settings: Any) -> Callable[..., Path]:
    def write(folder: Path, rows: pd.DataFrame) -> Path:
        make(rows).to_parquet(folder / "table.parquet", **settings)
        return folder / "table.parquet"

    return write


def _vector(name: str, driver: str, crs: str = "EPSG:4326") -> Callable[..., Path]:
    def write(folder: Path, rows: pd.DataFrame) -> Path:
        import pyarrow as pa
        import pyogrio
        import shapely

        table = dated(rows)
        shapes = shapely.points([PLACES[IDS.index(name)] for name in table["id"]])
        arrow = pa.Table.from_pandas(table, preserve_index=False).append_column("geometry", [shapely.to_wkb(shapes)])
        options = {"driver": driver, "geometry_name": "geometry", "geometry_type": "Point", "crs": crs}
        pyogrio.write_arrow(arrow, folder / name, **options)
        return folder / name

    return write


def _geoparquet(folder: Path, rows: pd.DataFrame) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq
    import shapely

    table = dated(rows)
    shapes = shapely.points([PLACES[IDS.index(name)] for name in table["id"]])
    arrow = pa.Table.from_pandas(table, preserve_index=False).append_column("geometry", [shapely.to_wkb(shapes)])
    geo = '{"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": {"encoding": "WKB"}}}'
    pq.write_table(arrow.replace_schema_metadata({"geo": geo}), folder / "table.parquet")
    return folder / "table.parquet"


def _one_a_date(folder: Path, rows: pd.DataFrame) -> Path:
    (folder / "dates").mkdir()
    for month, part in rows.groupby("month"):
        part.drop(columns="month").to_csv(folder / "dates" / f"S2_{YEAR}{month:02d}15.csv", index=False)
    return folder / "dates"


def _one_a_series(folder: Path, rows: pd.DataFrame) -> Path:
    (folder / "plots").mkdir()
    for name, part in dated(rows).groupby("id"):
        part.drop(columns="id").to_csv(folder / "plots" / f"{name}.csv", index=False)
    return folder / "plots"


def _one_a_tile(folder: Path, rows: pd.DataFrame) -> list[Path]:
    table = dated(rows)
    tiles = {"31UES": table[table["id"].isin(IDS[:2])], "31UFS": table[table["id"].isin(IDS[1:])][table.columns[::-1]]}
    for name, part in tiles.items():
        part.to_csv(folder / f"{name}.csv", index=False)
    return [folder / f"{name}.csv" for name in tiles]


def _earth_engine_images(rows: pd.DataFrame) -> pd.Series:
    day = dated(rows, "%Y%m%d")["date"]
    return day + "T105421_" + day + "T105416_T31UFS"


def _get_region(rows: pd.DataFrame) -> pd.DataFrame:
    """Lay out rows as Earth Engine's `getRegion`: the id is the image's, and the place tells the series."""
    places = np.array([PLACES[IDS.index(name)] for name in rows["id"]])
    milliseconds = pd.to_datetime(dated(rows)["date"]).astype("datetime64[ms]").astype("int64")
    head = {"id": _earth_engine_images(rows), "longitude": places[:, 0], "latitude": places[:, 1], "time": milliseconds}
    return pd.DataFrame(head).join(renamed(rows[list(BANDS)], EARTH_ENGINE))


def _tidy(rows: pd.DataFrame) -> pd.DataFrame:
    return dated(rows).melt(id_vars=["id", "date"], var_name="band", value_name="value").sample(frac=1, random_state=0)


def _with_clouds(rows: pd.DataFrame, name: str, clear: Any, cloudy: Any) -> pd.DataFrame:
    """Add a bright row beside each, which a column says is cloud."""
    clouds = rows.assign(**dict.fromkeys(BANDS, 9000)).assign(**{name: cloudy})
    return pd.concat([dated(rows.assign(**{name: clear})), dated(clouds)])


def _two_baselines(rows: pd.DataFrame, name: str, old: Any, new: Any) -> pd.DataFrame:
    is_new = (rows["month"] % 2 == 0).to_numpy()
    return dated(shifted(rows, np.where(is_new, 1000, 0)).assign(**{name: np.where(is_new, new, old)}))


def _pairs(rows: pd.DataFrame) -> pd.DataFrame:
    """Give each acquisition twice, a little darker and a little brighter: the median of the two is the control's."""
    return pd.concat([dated(shifted(rows, -20)), dated(shifted(rows, 20))])


def _two_years(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([shifted(rows, 300).assign(year=YEAR - 1), rows.assign(year=YEAR)])


def _reflectance(rows: pd.DataFrame) -> pd.DataFrame:
    return dated(rows.assign(**{band: rows[band] / 10_000 for band in BANDS}))


LAYOUTS = (
    TableLayout("comma", _csv("table.csv", dated)),
    TableLayout("semicolon, decimal comma", _csv("table.csv", _reflectance, sep=";", decimal=",")),
    TableLayout("semicolon, decimal point", _csv("table.csv", _reflectance, sep=";")),
    TableLayout("decimal comma in quotes", _csv("table.csv", _reflectance, decimal=",")),
    TableLayout("tab", _csv("table.tsv", dated, sep="\t")),
    TableLayout("vertical bar", _csv("table.txt", dated, sep="|")),
    TableLayout("quoted, CRLF", _csv("table.csv", dated, quoting=1, lineterminator="\r\n")),
    TableLayout("UTF-8 with BOM", _csv("table.csv", dated, encoding="utf-8-sig")),
    TableLayout("UTF-16", _csv("table.csv", dated, sep="\t", encoding="utf-16")),
    TableLayout("Windows-1252", _csv("table.csv", lambda r: dated(r).assign(Fläche="groß"), encoding="cp1252")),
    TableLayout("row numbers of pandas", _csv("table.csv", dated, index=True)),
    TableLayout("packed", _content("table.csv.gz", lambda text: gzip.compress(text.encode()))),
    TableLayout("comments before the header", _content("table.csv", lambda text: f"# from, somewhere\n# 2019\n{text}")),
    TableLayout("header as a comment", _content("table.csv", lambda text: f"#{text}")),
    TableLayout("sep=;", _content("table.csv", lambda text: "sep=;\r\n" + text.replace(",", ";"))),
    TableLayout(
        "empty lines and columns", _content("table.csv", lambda text: text.replace("\n", ",,\n") + "," * 13 + "\n\n")
    ),
    TableLayout("Excel", _excel),
    TableLayout("Excel, a sheet", lambda folder, rows: _excel(folder, rows, ":Series")),
    TableLayout("Excel with numbers and dates", _excel_numbers, ids=("7", "10", "11", "2")),
    TableLayout("Parquet", _parquet(dated)),
    TableLayout("Parquet with an index", _parquet(lambda rows: dated(rows).set_index("id"))),
    TableLayout(
        "Parquet, floating-point ids",
        _parquet(lambda rows: dated(rows).assign(id=rows["id"].astype(float))),
        ids=("7", "10", "11", "2"),
    ),
    TableLayout("Parquet, time stamps", _parquet(lambda r: dated(r).assign(date=lambda f: pd.to_datetime(f["date"])))),
    TableLayout("GeoParquet", _geoparquet),
    TableLayout("GeoPackage", _vector("table.gpkg", "GPKG")),
    TableLayout("GeoJSON", _vector("table.geojson", "GeoJSON")),
    TableLayout("Shapefile", _vector("table.shp", "ESRI Shapefile")),
    TableLayout("FlatGeobuf", _vector("table.fgb", "FlatGeobuf")),
    TableLayout("a file a date", _one_a_date),
    TableLayout("a file a tile", _one_a_tile),
    TableLayout("a file a series", _one_a_series),
    TableLayout(
        "names of months",
        _csv("table.csv", lambda r: r.assign(year=YEAR, month=pd.to_datetime(dated(r)["date"]).dt.strftime("%b"))),
    ),
    TableLayout("year and month", _csv("table.csv", lambda rows: rows.assign(year=YEAR))),
    TableLayout("year, month and day", _csv("table.csv", lambda rows: rows.assign(Year=YEAR, Day=rows["month"]))),
    TableLayout("year and day of the year", _csv("table.csv", lambda r: dated(r, "%j", "doy").assign(year=YEAR))),
    TableLayout("months alone", _csv("table.csv", lambda rows: rows)),
    TableLayout("months, repeated", _csv("table.csv", lambda r: pd.concat([shifted(r, -20), shifted(r, 20)]))),
    TableLayout(
        "months with their years", _csv("table.csv", lambda r: dated(r, "%Y-%m").rename(columns={"date": "month"}))
    ),
    TableLayout("compact dates", _csv("table.csv", lambda rows: dated(rows, "%Y%m%d"))),
    TableLayout("dates with dots", _csv("table.csv", lambda rows: dated(rows, "%d.%m.%Y"))),
    TableLayout("times", _csv("table.csv", lambda rows: dated(rows, "%Y-%m-%dT10:54:21Z", "datetime"))),
    TableLayout("two years", _csv("table.csv", _two_years), {"year": YEAR}),
    TableLayout(
        "Earth Engine, times",
        _csv(
            "table.csv",
            lambda r: renamed(_get_region(r).assign(id=r["id"]), BANDS).rename(columns={"time": "system:time_start"}),
        ),
    ),
    TableLayout(
        "Earth Engine, images",
        _csv(
            "table.csv",
            lambda r: renamed(r.assign(imageId=_earth_engine_images(r)), EARTH_ENGINE).drop(columns="month"),
        ),
    ),
    TableLayout(
        "Earth Engine, system:index",
        _csv(
            "table.csv",
            lambda r: r.assign(**{"system:index": _earth_engine_images(r) + "_" + r["id"], ".geo": "{}"}).drop(
                columns=["id", "month"]
            ),
        ),
    ),
    TableLayout(
        "Earth Engine, getRegion", _csv("table.csv", _get_region), ids=tuple(f"lon{x}_lat{y}" for x, y in PLACES)
    ),
    TableLayout("sits", _csv("table.csv", lambda r: dated(r, name="Index").assign(label="Forest"))),
    TableLayout("openEO", _csv("table.csv", lambda r: renamed(dated(r, "%Y-%m-%dT00:00:00Z", "t"), OPENEO))),
    TableLayout("Earth Search", _csv("table.csv", lambda rows: renamed(dated(rows), EARTH_SEARCH))),
    TableLayout("Digital Earth", _csv("table.csv", lambda rows: renamed(dated(rows), DIGITAL_EARTH))),
    TableLayout("FORCE", _csv("table.csv", lambda rows: renamed(dated(rows), FORCE))),
    TableLayout("Theia", _csv("table.csv", lambda rows: renamed(dated(rows), THEIA))),
    TableLayout("a row a band", _csv("table.csv", _tidy)),
    TableLayout("POINT_ID", _csv("table.csv", lambda rows: dated(rows).rename(columns={"id": "POINT_ID"}))),
    TableLayout(
        "a key of rows",
        _csv("table.csv", lambda r: dated(r).rename(columns={"id": "plot_id"}).assign(id=range(len(r)))),
    ),
    TableLayout("baselines", _csv("table.csv", lambda r: _two_baselines(r, "processing_baseline", "03.01", "05.00"))),
    TableLayout(
        "baselines N0500", _csv("table.csv", lambda r: _two_baselines(r, "PROCESSING_BASELINE", "N0301", "N0500"))
    ),
    TableLayout("baselines without zeros", _csv("table.csv", lambda r: _two_baselines(r, "baseline", "301", "500"))),
    TableLayout(
        "baselines of STAC", _csv("table.csv", lambda r: _two_baselines(r, "s2:processing_baseline", 3.01, 5.0))
    ),
    TableLayout("offsets", _csv("table.csv", lambda rows: _two_baselines(rows, "offset", 0, -1000))),
    TableLayout("offsets in reflectance", _csv("table.csv", lambda rows: _two_baselines(rows, "add_offset", 0, -0.1))),
    TableLayout("SCL", _csv("table.csv", lambda rows: _with_clouds(rows, "SCL", 4, 9))),
    TableLayout("cloud flags", _csv("table.csv", lambda rows: _with_clouds(rows, "cloud", 0, 1))),
    TableLayout("clear flags", _csv("table.csv", lambda rows: _with_clouds(rows, "is_clear", True, False))),
    TableLayout("cloud probability", _csv("table.csv", lambda r: _with_clouds(r, "MSK_CLDPRB", 3, 97))),
    TableLayout("Cloud Score+", _csv("table.csv", lambda rows: _with_clouds(rows, "cs_cdf", 0.9, 0.2))),
    TableLayout("QA60", _csv("table.csv", lambda rows: _with_clouds(rows, "QA60", 0, 1024))),
    TableLayout("rows given twice", _csv("table.csv", lambda rows: pd.concat([dated(rows), dated(rows)[::-1]]))),
    TableLayout("two rows a date", _csv("table.csv", _pairs)),
    TableLayout(
        "NA for missing",
        _csv("table.csv", lambda r: pd.concat([dated(r), dated(r).assign(**dict.fromkeys(BANDS, "NA"))])),
    ),
    TableLayout("thousands", _csv("table.csv", lambda r: dated(r).assign(B02="1,234")), None),
    TableLayout("decimals or thousands", _csv("table.csv", lambda r: dated(r).assign(B02="1,234"), sep=";"), None),
    TableLayout("a short row", _content("table.csv", lambda text: text.rstrip("\n").rpartition(",")[0] + "\n"), None),
    TableLayout("an open quote", _content("table.csv", lambda text: text + '"x,1\n'), None),
    TableLayout("a name twice", _content("table.csv", lambda text: text.replace("B03", "B02", 1)), None),
    TableLayout("a band twice", _csv("table.csv", lambda rows: dated(rows).assign(blue=5)), None),
    TableLayout("no ids", _csv("table.csv", lambda rows: dated(rows).drop(columns="id")), None),
    TableLayout("no times", _csv("table.csv", lambda rows: rows.drop(columns="month")), None),
    TableLayout("days of an unknown year", _csv("table.csv", lambda rows: dated(rows, "%j", "doy")), None),
    TableLayout("months from 0", _csv("table.csv", lambda rows: rows.assign(month=rows["month"] - 1)), None),
    TableLayout("a date missing", _content("table.csv", lambda text: text.replace("2019-01-15", "", 1)), None),
    TableLayout(
        "cloud or scene classes",
        _csv("table.csv", lambda r: dated(r).assign(cloud=range(len(r))).assign(cloud=lambda f: f["cloud"] % 10)),
        None,
    ),
    TableLayout(
        "files that differ",
        lambda folder, rows: [
            _csv("a.csv", dated)(folder, rows),
            _csv("b.csv", lambda r: dated(r).drop(columns="B04"))(folder, rows),
        ],
        None,
    ),
)
