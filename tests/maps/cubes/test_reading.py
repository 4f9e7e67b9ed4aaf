import logging
import pickle

import numpy as np
import pytest
import rasterio
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import from_origin
from rasterio.warp import transform_bounds

from tests.support.small_cubes import CRS, MONTHS, grid, small_cube, write_raster
from timesenclip_hf.maps.cubes import open_cube
from timesenclip_hf.maps.cubes.grids import grid_of
from timesenclip_hf.maps.cubes.reading import acquisition_offsets
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS


def stacked(cube: xr.Dataset) -> np.ndarray:
    return np.stack([cube[band].values for band in BANDS], axis=1)


@pytest.mark.parametrize("suffix", ["nc", "zarr"])
def test_bands_as_variables_are_read_from_netcdf_and_zarr(tmp_path, suffix):
    cube = small_cube()
    path = tmp_path / f"cube.{suffix}"
    cube.to_netcdf(path, engine="h5netcdf") if suffix == "nc" else cube.to_zarr(path, consolidated=True)
    opened = open_cube(path)
    assert opened["reflectance"].dims == ("time", "band", "y", "x")
    assert opened["reflectance"].dtype == np.uint16
    np.testing.assert_array_equal(opened["reflectance"], stacked(cube))
    np.testing.assert_array_equal(opened["time"], MONTHS)
    np.testing.assert_array_equal(opened["y"], cube["y"])
    assert opened.rio.crs == CRS
    assert "scl" not in opened


def test_names_axes_and_order_may_be_any_products():
    cube = small_cube()
    spelled = {band: f"S2-L2A-{band}" for band in BANDS}
    other = cube[list(reversed(BANDS))].rename({**spelled, "time": "t", "y": "northing", "x": "Easting"})
    other = other.transpose("Easting", "t", "northing").assign(slope=other["S2-L2A-B02"])
    np.testing.assert_array_equal(open_cube(other)["reflectance"], stacked(cube))


@pytest.mark.parametrize("axis", ["band", "bands"])
def test_bands_may_lie_along_an_axis(axis):
    cube = small_cube()
    order = [*reversed(BANDS), "NDVI"]
    values = np.concatenate([stacked(cube)[:, ::-1], np.zeros((12, 1, 6, 5), np.uint16)], axis=1)
    coords = {"time": MONTHS, axis: order, **grid(6, 5)}
    array = xr.DataArray(values, dims=("time", axis, "y", "x"), coords=coords, attrs={"crs": CRS})
    np.testing.assert_array_equal(open_cube(array)["reflectance"], stacked(cube))


def test_an_unnamed_band_axis_is_named_by_the_caller():
    cube = small_cube()
    array = xr.DataArray(
        stacked(cube), dims=("time", "band", "y", "x"), coords={"time": MONTHS, **grid(6, 5)}, attrs={"epsg": "32631"}
    )
    np.testing.assert_array_equal(open_cube(array, bands=BANDS)["reflectance"], stacked(cube))
    with pytest.raises(ValueError, match="10 bands of the cube have no names"):
        open_cube(array)
    with pytest.raises(ValueError, match="2 band names were given for the 10 bands"):
        open_cube(array, bands=["B02", "B03"])


def test_a_geotiff_of_all_dates_is_read_by_its_band_names(tmp_path):
    cube = small_cube()
    names = [f"{band}_{str(time)[:10]}" for time in MONTHS for band in BANDS]
    path = write_raster(tmp_path / "cube.tif", stacked(cube).reshape(120, 6, 5), names, nodata=0)
    opened = open_cube(path)
    np.testing.assert_array_equal(opened["reflectance"], stacked(cube))
    assert opened.attrs["nodata"] == 0
    np.testing.assert_allclose(opened["x"], cube["x"])


def test_a_geotiff_of_months_has_months(tmp_path):
    cube = small_cube()
    names = [f"{band}_{month:02d}" for month in range(1, 13) for band in BANDS]
    opened = open_cube(write_raster(tmp_path / "cube.tif", stacked(cube).reshape(120, 6, 5), names))
    assert opened["time"].values.tolist() == list(range(12))
    np.testing.assert_array_equal(opened["reflectance"], stacked(cube))


@pytest.mark.parametrize("described", [True, False])
def test_one_geotiff_a_date_is_dated_by_its_name(tmp_path, described):
    cube = small_cube()
    names = BANDS if described else None
    paths = [
        write_raster(tmp_path / f"S2_{str(time)[:10].replace('-', '')}.tif", values, names)
        for time, values in zip(MONTHS, stacked(cube), strict=True)
    ]
    opened = open_cube(paths[::-1], bands=None if described else BANDS)
    np.testing.assert_array_equal(opened["reflectance"], stacked(cube))


def test_one_geotiff_a_band_and_date_at_10_and_20_m(tmp_path):
    fine, coarse = small_cube(6, 4), small_cube(3, 2, size=20.0, seed=1)
    paths = []
    for band in BANDS:
        cube, size = (fine, 10.0) if band in ("B02", "B03", "B04", "B08") else (coarse, 20.0)
        for index, time in enumerate(MONTHS[:2]):
            day = str(time)[:10].replace("-", "")
            values = cube[band].values[index][None]
            paths.append(write_raster(tmp_path / f"T31UDS_{day}T105031_{band}.tif", values, size=size))
    opened = open_cube(paths)
    assert opened["reflectance"].shape == (2, 10, 6, 4)
    repeated = coarse["B8A"].values[:2].repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_array_equal(opened["reflectance"].sel(band="B8A"), repeated)
    np.testing.assert_array_equal(opened["reflectance"].sel(band="B02"), fine["B02"].values[:2])


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(1, 6), width=st.integers(1, 6), top=st.integers(0, 3), left=st.integers(0, 3), flip=st.booleans()
)
def test_coarse_bands_are_laid_on_the_fine_grid_by_nearest_neighbour(height, width, top, left, flip):
    coarse = small_cube(5, 5, MONTHS[:1], BANDS[3:], size=20.0).assign(
        SCL=(("time", "y", "x"), np.arange(25, dtype=np.uint8).reshape(1, 5, 5))
    )
    fine = small_cube(10, 10, MONTHS[:1], BANDS[:3])
    fine = fine.isel(y=slice(top, top + height + 1), x=slice(left, left + width + 1))
    opened = open_cube([fine, coarse.isel(y=slice(None, None, -1)) if flip else coarse])
    nearest = coarse.sel(y=fine["y"], x=fine["x"], method="nearest")
    np.testing.assert_array_equal(opened["reflectance"].sel(band="B11"), nearest["B11"])
    np.testing.assert_array_equal(opened["scl"], nearest["SCL"])
    np.testing.assert_array_equal(opened["reflectance"].sel(band="B03"), fine["B03"])


def test_unsigned_integers_kept_in_signed_ones_come_back(tmp_path):
    cube = small_cube()
    for band in BANDS:
        cube[band][3] = 65535
        cube[band] = cube[band].astype(np.int16)
        cube[band].attrs["_Unsigned"] = "true"
    opened = open_cube(cube)
    assert opened["reflectance"].dtype == np.uint16
    assert (opened["reflectance"][3] == 65535).all()


@pytest.mark.parametrize(
    ("scale", "shift", "offset"), [(1e-4, 0.0, None), (1e-4, -0.1, 1000.0), (1.0, -1000.0, 1000.0)]
)
def test_integers_in_the_usual_scale_stay_integers_and_their_offset_is_kept(scale, shift, offset):
    cube = small_cube()
    for band in BANDS:
        cube[band].attrs |= {"scale_factor": scale, "add_offset": shift}
    opened = open_cube(cube)
    assert opened["reflectance"].dtype == np.uint16
    if offset is None:
        assert acquisition_offsets(opened) is None
    else:
        assert opened["offset"].dims == ("time",)
        np.testing.assert_allclose(acquisition_offsets(opened), np.full(12, offset))


def test_integers_in_another_scale_become_reflectance():
    cube = small_cube()
    for band in BANDS:
        cube[band][0] = 0
        cube[band].attrs |= {"scale_factor": 0.0000275, "add_offset": -0.2, "_FillValue": 0}
    opened = open_cube(cube)
    assert np.isnan(opened["reflectance"][0]).all()
    np.testing.assert_allclose(opened["reflectance"][1:], stacked(cube)[1:] * 0.0000275 - 0.2, atol=1e-6)


def test_a_list_in_an_attribute_has_a_number_for_each_band():
    cube = small_cube()
    array = cube[list(BANDS)].to_dataarray("band").rio.write_crs(CRS)
    scales = [1e-4 / (index + 2) for index in range(10)]
    opened = open_cube(array.assign_attrs(scale_factor=scales, add_offset=[-0.1] * 10, nodata=np.array([0])))
    expected = stacked(cube) * np.asarray(scales)[:, None, None] - 0.1
    np.testing.assert_allclose(opened["reflectance"], np.where(stacked(cube) == 0, np.nan, expected), atol=1e-6)


def test_different_nodata_values_become_one():
    cube = small_cube(bands=BANDS)
    cube["B02"][2], cube["B03"][2] = 0, 9999
    cube["B02"].attrs["_FillValue"], cube["B03"].attrs["_FillValue"] = 0, 9999
    opened = open_cube(cube)
    assert opened.attrs["nodata"] == 0
    assert (opened["reflectance"][2, :2] == 0).all()


def test_bands_of_one_acquisition_may_carry_times_some_seconds_apart():
    first, second = small_cube(bands=BANDS[:4]), small_cube(bands=BANDS[4:])
    second = second.assign_coords(time=second["time"] + np.timedelta64(12, "s"))
    opened = open_cube([first, second])
    assert opened.sizes["time"] == 12
    np.testing.assert_array_equal(opened["reflectance"].sel(band="B12"), second["B12"])


def test_acquisitions_that_lack_a_band_are_missing_and_told(caplog):
    first, second = small_cube(bands=BANDS[:4]), small_cube(bands=BANDS[4:]).isel(time=slice(2, None))
    with caplog.at_level(logging.WARNING):
        logging.getLogger("transformers").propagate = True
        opened = open_cube([first, second])
    assert "2 of 12 acquisitions lack a band" in caplog.text
    assert (opened["reflectance"].sel(band="B12")[:2] == 65535).all()


def test_a_cube_that_was_opened_is_not_read_again():
    opened = open_cube(small_cube())
    assert open_cube(opened) is opened


def test_a_user_may_say_the_crs():
    cube = small_cube().drop_vars("spatial_ref")
    assert open_cube(cube, crs="32631").rio.crs == CRS
    with pytest.raises(ValueError, match="names no coordinate reference system: say which"):
        open_cube(cube)
    with pytest.raises(ValueError, match="'nonsense' is not a coordinate reference system"):
        open_cube(cube, crs="nonsense")


@pytest.mark.parametrize(("crs", "size"), [(CRS, 20.0), ("EPSG:4326", 0.0002)])
def test_a_single_pixel_keeps_the_size_that_its_file_tells(tmp_path, crs, size):
    transform = from_origin(500_000, 5_600_000, size, size)
    cube = small_cube(1, 1, size=size).rio.write_crs(crs).rio.write_transform(transform)
    cube.to_netcdf(tmp_path / "cube.nc", engine="h5netcdf")
    for source in (cube, tmp_path / "cube.nc"):
        opened = open_cube(source)
        assert (grid_of(opened).down, grid_of(opened).across) == (-size, size)
        assert opened.rio.crs == crs
    raster = write_raster(tmp_path / "B02_2018-05-14.tif", np.ones((1, 1, 1), np.uint16), crs=crs, size=size)
    assert grid_of(open_cube(raster)).across == size


def test_a_box_of_a_single_pixel_keeps_the_size_of_the_cube_that_it_is_cut_from():
    cube = small_cube(size=20.0)
    box = transform_bounds(CRS, "EPSG:4326", 500_025, 5_599_965, 500_026, 5_599_966)
    for cut in (open_cube(cube, bbox=box), open_cube(open_cube(cube), bbox=box)):
        assert cut["reflectance"].shape == (12, 10, 1, 1)
        assert grid_of(cut).transform == rasterio.Affine(20, 0, 500_020, 0, -20, 5_599_980)


def test_a_single_pixel_of_unknown_size_is_read_but_not_laid_on_another_grid():
    opened = open_cube(small_cube(1, 1).rio.write_crs("EPSG:4326"))
    assert opened["reflectance"].shape == (12, 10, 1, 1)
    with pytest.raises(ValueError, match="is a single pixel and nothing tells its size") as caught:
        open_cube([small_cube(1, 1, bands=BANDS[:3]), small_cube(1, 1, bands=BANDS[3:], size=20.0)])
    assert "\n" not in str(caught.value)


def without_dates(cube: xr.Dataset) -> xr.Dataset:
    return cube.drop_vars("time")


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda cube: cube.isel(time=0, drop=True), "has no time axis"),
        (without_dates, "time axis of the cube has no coordinates"),
        (
            lambda cube: cube.rename({band: f"layer{index}" for index, band in enumerate(BANDS)}),
            "no Sentinel-2 .* layer9: name",
        ),
        (lambda cube: cube.drop_vars("y"), "no coordinates along y"),
        (lambda cube: cube.rename(y="row", x="col"), "has no axes y and x: rename .* its axes are time, row, col"),
        (
            lambda cube: cube.assign(B02=cube["B02"].assign_attrs(scale_factor="n/a")),
            "B02 in the cube has the attribute scale_factor 'n/a': it must be one number",
        ),
        (lambda cube: cube.assign_coords(x=[0.0, 10.0, 20.0, 35.0, 40.0]), "is not regular"),
        (lambda cube: cube.expand_dims("sensor"), "has the axis 'sensor' besides"),
        (lambda cube: [cube, small_cube(bands=BANDS[:1])], "B02 of 2018-01-15 is given twice"),
        (lambda cube: [cube, small_cube(times=MONTHS + 1).rio.write_crs("EPSG:32632")], "several coordinate reference"),
        (lambda cube: [small_cube(20, 20, bands=BANDS[:2]), cube[list(BANDS[2:])]], "does not cover the grid"),
        (lambda cube: cube.astype(np.uint8), "holds uint8 values"),
        (lambda cube: [], "There is no cube"),
    ],
)
def test_a_bad_cube_is_refused_in_one_sentence(spoil, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        open_cube(spoil(small_cube()))
    assert "\n" not in str(caught.value)


def test_a_bad_file_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="No such file"):
        open_cube(tmp_path / "nowhere.nc")
    (tmp_path / "text.nc").write_text("no cube")
    with pytest.raises(ValueError, match=r"text.nc is no NetCDF or Zarr but text, whatever its name says") as caught:
        open_cube(tmp_path / "text.nc")
    assert "\n" not in str(caught.value)
    (tmp_path / "text.tif").write_text("no raster")
    with pytest.raises(ValueError, match=r"text.tif is no raster but text, whatever its name says: give GeoTIFF"):
        open_cube(tmp_path / "text.tif")
    with pytest.raises(ValueError, match="has the name of a Sentinel-2 band"):
        open_cube(write_raster(tmp_path / "plain.tif", np.ones((3, 4, 4), np.uint16)))
    with pytest.raises(ValueError, match=r"dated.tif has no time axis"):
        open_cube(write_raster(tmp_path / "dated.tif", np.ones((2, 4, 4), np.uint16), ["B02", "B03"]))


def with_classes(cube: xr.Dataset) -> xr.Dataset:
    shape = tuple(cube.sizes[axis] for axis in ("time", "y", "x"))
    classes = np.random.default_rng(3).integers(0, 12, shape, dtype=np.uint8)
    return cube.assign(SCL=(("time", "y", "x"), classes))


def write_cube(folder, suffix):
    """Write the same cube in any form, of two grids."""
    fine = small_cube(6, 8, MONTHS[:3], BANDS[:3])
    coarse = with_classes(small_cube(3, 4, MONTHS[:3], BANDS[3:], size=20.0))
    fine["B02"].attrs["_FillValue"] = 0
    if suffix == "tif":
        return [
            write_raster(folder / f"{size:.0f}_{band}_2018-{index:02d}.tif", values[None], size=size)
            for cube, size in ((fine, 10.0), (coarse, 20.0))
            for band in cube.data_vars
            for index, values in enumerate(cube[band].values, start=1)
        ]
    if suffix == "dask":
        return [fine.chunk({"time": 2, "y": 4}), coarse.chunk({"x": 2})]
    paths = [folder / f"{name}.{suffix}" for name in ("fine", "coarse")]
    for cube, path in zip((fine, coarse), paths, strict=True):
        cube.to_netcdf(path, engine="h5netcdf") if suffix == "nc" else cube.to_zarr(path)
    return [paths[0], coarse.chunk({"x": 2})] if suffix == "zarr" else paths


@pytest.mark.parametrize("suffix", ["nc", "zarr", "tif", "dask"])
def test_what_is_read_piece_by_piece_is_what_is_read_at_once(tmp_path, suffix):
    sources = write_cube(tmp_path, suffix)
    eager, lazy = open_cube(sources), open_cube(sources, chunks={"y": 4, "x": 3})
    assert isinstance(eager["reflectance"].data, np.ndarray)
    assert lazy["reflectance"].data.chunks == ((3,), (10,), (4, 2), (3, 3, 2))
    assert lazy["scl"].data.chunks == ((3,), (4, 2), (3, 3, 2))
    piece = pickle.loads(pickle.dumps(lazy.isel(y=slice(4, 6), x=slice(0, 3)))).load(scheduler="synchronous")
    xr.testing.assert_identical(piece, eager.isel(y=slice(4, 6), x=slice(0, 3)))
    for part in ({"y": 3, "x": 5}, {"y": slice(None, None, -1), "x": slice(6, 1, -2), "band": 4}, {"y": slice(0, 0)}):
        xr.testing.assert_identical(lazy.isel(part).load(), eager.isel(part))
    xr.testing.assert_identical(lazy.load(), eager)


def test_acquisitions_that_lack_a_band_are_missing_in_graphs_too():
    first, second = small_cube(bands=BANDS[:4]), small_cube(bands=BANDS[4:]).isel(time=[11, 2, 5])
    eager = open_cube([first, second])
    xr.testing.assert_identical(open_cube([first.chunk(), second.chunk()], chunks=4).load(), eager)


def test_one_task_reads_all_bands_and_times_of_a_window(tmp_path):
    lazy = open_cube(write_cube(tmp_path, "nc"), chunks=4)
    tasks = [key for key in lazy["reflectance"].__dask_graph__() if isinstance(key, tuple)]
    assert len(tasks) == 4


def test_a_cube_that_was_opened_may_be_cut_and_chunked():
    opened = open_cube(small_cube())
    assert open_cube(opened, chunks=4)["reflectance"].data.chunksize == (12, 10, 4, 4)
    assert open_cube(opened, dates="2018-03/2018-04").sizes["time"] == 2


def test_dates_and_a_box_cut_a_cube():
    cube = small_cube()
    box = transform_bounds(CRS, "EPSG:4326", 500_011, 5_599_971, 500_029, 5_599_989)
    cut = open_cube(cube, bbox=box, dates="2018-06-15/2018-08")
    np.testing.assert_array_equal(cut["reflectance"], stacked(cube)[5:8, :, 1:3, 1:3])
    xr.testing.assert_identical(open_cube(open_cube(cube), bbox=box, dates="2018-06/2018-08"), cut)
    with pytest.raises(ValueError, match="The box does not touch the cube"):
        open_cube(cube, bbox="10,10,11,11")
    months = cube.assign_coords(time=np.arange(1, 13))
    for dated, undated in ((cube, months), (open_cube(cube), open_cube(months))):
        with pytest.raises(ValueError, match="No acquisition lies in 2019: the dates are 2018-01-15 to 2018-12-15"):
            open_cube(dated, dates="2019")
        with pytest.raises(ValueError, match="the cube has months only"):
            open_cube(undated, dates="2018")


def test_bands_of_one_acquisition_with_different_offsets_are_refused():
    cube = small_cube()
    for band in BANDS[:3]:
        cube[band].attrs |= {"scale_factor": 1e-4, "add_offset": -0.1}
    with pytest.raises(ValueError, match="The bands of 2018-01-15 have different offsets, that of B05"):
        open_cube(cube)


@pytest.mark.real_data
def test_the_three_flanders_files_make_one_cube(real_data):
    folder = real_data / "worldcereal_flanders_2018" / "raw_nc"
    paths = sorted(folder.glob("S2_L2A_*.nc"))
    cube = open_cube(paths)
    assert cube["reflectance"].shape == (118, 10, 64, 64)
    assert cube["reflectance"].dtype == np.uint16
    assert cube.attrs["nodata"] == 0
    assert cube.rio.crs == "EPSG:32631"
    with xr.open_dataset(paths[1], mask_and_scale=False) as coarse:
        repeated = coarse["B11"].values.repeat(2, axis=1).repeat(2, axis=2)
        np.testing.assert_array_equal(cube["reflectance"].sel(band="B11"), repeated)
        np.testing.assert_array_equal(cube["scl"], coarse["SCL"].values.repeat(2, axis=1).repeat(2, axis=2))


@pytest.mark.real_data
def test_a_cube_of_openeo_is_read_without_its_other_sensors(real_data):
    (path,) = (real_data / "worldcereal_cube_100x100").glob("*preprocessed_inputs.nc")
    cube = open_cube(path)
    assert cube["band"].values.tolist() == [band for band in BANDS if band != "B8A"]
    assert cube["reflectance"].shape == (12, 9, 100, 100)
    empty = (cube["reflectance"] == 65535).all(("band", "y", "x")).values
    assert cube["time"].values[empty].astype("datetime64[M]").astype(str).tolist() == ["2020-12", "2021-01"]
