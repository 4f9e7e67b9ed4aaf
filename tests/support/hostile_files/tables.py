"""Write tables and archives that point elsewhere, and metadata and configurations that would run or fetch."""

import io
import shutil
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from .aims import BANDS, Aim, Hostile, named
from .rasters import write_tiff
from .references import kerchunk


def _archive(change: Callable[[zipfile.ZipFile, Aim], None]) -> Callable[[Aim], Path]:
    def write(aim: Aim) -> Path:
        path = aim.folder / "series.npz"
        with zipfile.ZipFile(path, "w") as archive:
            change(archive, aim)
        return path

    return write


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def _link_member(archive: zipfile.ZipFile, aim: Aim) -> None:
    entry = zipfile.ZipInfo("series.npy")
    entry.create_system, entry.external_attr = 3, 0o120777 << 16
    archive.writestr(entry, str(aim.secret))


def _parquet_elsewhere(aim: Aim) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({f"{band}_2018-{month:02}": [900] for band in BANDS for month in range(1, 13)})
    collected: list[Any] = []
    pq.write_table(table, aim.secret.with_name("secret.parquet"), metadata_collector=collected)
    collected[0].set_file_path("../secret.parquet")
    path = aim.folder / "series.parquet"
    collected[0].write_metadata_file(path)
    return path


def _virtual_layer(aim: Aim) -> str:
    layer = f"<OGRVRTLayer name='secret'><SrcDataSource>{aim.secret}</SrcDataSource></OGRVRTLayer>"
    return f"<OGRVRTDataSource>{layer}</OGRVRTDataSource>"


def _linked_crs(text: str) -> Callable[[Aim], str]:
    point = '{"type":"Feature","properties":{"id":1},"geometry":{"type":"Point","coordinates":[4,50]}}'
    return lambda aim: (
        f'{{"type":"FeatureCollection","crs":{text.replace("ADDRESS", aim.address)},"features":[{point}]}}'
    )


def _geopackage_journal(aim: Aim) -> Path:
    """Write a sound database whose journal, which is read along, adds a table of another file."""
    path, written = aim.folder / "points.gpkg", aim.folder / "written.gpkg"
    with closing(sqlite3.connect(written, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=wal")
        database.execute("CREATE TABLE points (id INTEGER)")
        database.execute("PRAGMA wal_checkpoint(truncate)")
        database.execute(f"CREATE VIEW other AS SELECT ogr_layer_FeatureCount('{aim.secret}', 'secret')")
        for end in ("", "-wal"):
            shutil.copy(f"{written}{end}", f"{path}{end}")
    return path


TABLES = [
    Hostile("virtual layers called GeoJSON", "table", named("points.geojson", _virtual_layer)),
    Hostile("virtual layers behind text", "table", named("points.geojson", lambda aim: "x" + _virtual_layer(aim))),
    Hostile("virtual layers in GeoJSON", "table", named("points.geojson", lambda aim: "[[1]" + _virtual_layer(aim))),
    Hostile("virtual layers called FlatGeobuf", "table", named(
        "points.fgb", lambda aim: "fgb\3" + _virtual_layer(aim)
    )),
    Hostile("virtual layers in FlatGeobuf", "table", named(
        "points.fgb", lambda aim: "fgb\3fgb\1" + _virtual_layer(aim)
    )),
    Hostile("GeoJSON whose CRS is a link", "table", named(
        "points.geojson", _linked_crs('{"type":"link","properties":{"href":"ADDRESS/x"}}')
    )),
    Hostile("GeoJSON whose CRS is a link, its type last", "table", named(
        "points.geojson", _linked_crs('{"properties":{"href":"ADDRESS/x"},"type":"link"}')
    )),
    Hostile("GeoJSON whose CRS is a link in escapes", "table", named(
        "points.geojson", _linked_crs('{"type":"li\\u006ek","properties":{"href":"ADDRESS/x"}}')
    )),
    Hostile("GeoJSON whose CRS is a link and a name", "table", named(
        "points.geojson", _linked_crs('{"type":"LINK","type":"name","properties":{"href":"ADDRESS/x"}}')
    )),
    Hostile("GeoPackage whose journal has a view of another file", "table", _geopackage_journal),
    Hostile("NPZ with a path above", "table", _archive(lambda archive, aim: archive.writestr("../../secret.txt", ""))),
    Hostile("NPZ with an absolute path", "table", _archive(lambda archive, aim: archive.writestr(str(aim.secret), ""))),
    Hostile("NPZ with a link", "table", _archive(_link_member)),
    Hostile("NPZ with a pickle", "table", _archive(
        lambda archive, aim: archive.writestr("series.npy", _npy(np.array([{"a": 1}], dtype=object)))
    )),
    Hostile("Parquet whose columns are in another file", "table", _parquet_elsewhere),
    Hostile("Zarr references called CSV", "table", named("series.csv", kerchunk)),
]  # fmt: skip


def _product(text: Callable[[Aim], str]) -> Callable[[Aim], Path]:
    def write(aim: Aim) -> Path:
        folder = aim.folder / "S2A_MSIL2A_20180615T105031_N0208_R051_T31UES_20180615T133837.SAFE"
        folder.mkdir()
        write_tiff(folder / "T31UES_20180615T105031_B04_10m.tif")
        (folder / "MTD_MSIL2A.xml").write_text(text(aim), encoding="utf-8")
        return folder

    return write


def _laughs(aim: Aim) -> str:
    entities = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 12))
    return (
        f'<!DOCTYPE x [<!ENTITY l0 "ha">{entities}]><x><BOA_QUANTIFICATION_VALUE>&l11;</BOA_QUANTIFICATION_VALUE></x>'
    )


def _entity_product(aim: Aim) -> str:
    return (
        f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{aim.secret}">]><x><PROCESSING_BASELINE>&e;</PROCESSING_BASELINE></x>'
    )


def _entity_address(aim: Aim) -> str:
    return f'<!DOCTYPE x SYSTEM "{aim.address}/x.dtd"><x><PROCESSING_BASELINE>02.08</PROCESSING_BASELINE></x>'


def _yaml(tag: str) -> Callable[[Aim], Path]:
    return named("config.yaml", lambda aim: f"output_dir: !!python/{tag}\n- cp {aim.secret} {aim.folder}/copy\n")


PRODUCTS = [
    Hostile("SAFE metadata with an entity of a file", "cube", _product(_entity_product)),
    Hostile("SAFE metadata with a document type at an address", "cube", _product(_entity_address)),
    Hostile("SAFE metadata that laugh", "cube", _product(_laughs)),
]
CONFIGS = [
    Hostile("YAML that calls a function", "config", _yaml("object/apply:os.system")),
    Hostile("YAML that makes an object", "config", _yaml("object/new:subprocess.Popen")),
    Hostile(
        "YAML that names a module", "config", named("config.yaml", lambda aim: "output_dir: !!python/name:os.system\n")
    ),
]
