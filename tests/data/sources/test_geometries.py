"""Metadata of geometries that say nothing, or what cannot be."""

import json

import pytest
import shapely

pa = pytest.importorskip("pyarrow", reason="needs the extra data")
pytestmark = pytest.mark.needs_extra("data")

POINT = shapely.to_wkb(shapely.Point(4, 50))


@pytest.mark.parametrize(
    "metadata",
    ["{", "[]", "[" * 100_000, '{"columns": []}', '{"columns": {"id": {}}}', '{"columns": {"id": 1, "absent": {}}}'],
)
def test_a_parquet_table_with_damaged_metadata_keeps_its_attributes(metadata):
    from timesenclip_hf.data.sources.geometries import read_geometries

    table = pa.table({"id": [1, 2]}).replace_schema_metadata({"geo": metadata})
    assert read_geometries(table)["id"].tolist() == [1, 2]


@pytest.mark.parametrize("described", [{}, None, {"crs": {"type": "nothing"}}, {"crs": [["deep"]]}])
def test_a_point_is_read_where_its_system_is_known(described):
    from timesenclip_hf.data.sources.geometries import read_geometries

    metadata = {"primary_column": "place", "columns": {"place": described}}
    table = pa.table({"id": [1], "place": [POINT]}).replace_schema_metadata({"geo": json.dumps(metadata)})
    frame = read_geometries(table)
    assert ("longitude" in frame) == (not described)
    assert frame["id"].tolist() == [1]
