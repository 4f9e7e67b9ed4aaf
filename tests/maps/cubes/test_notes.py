import numpy as np

from tests.support.cube_layouts import each_band
from tests.support.small_cubes import MONTHS, small_cube
from timesenclip_hf.maps.cubes import open_cube
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS


def test_a_cube_says_in_sentences_what_was_understood_of_it():
    cube = small_cube(6, 5, MONTHS[:4]).drop_vars("B8A")
    cube = cube.assign(NDVI=cube["B08"], slope=cube["B02"])
    for band in BANDS[:7] + BANDS[8:]:
        cube[band].attrs |= {"scale_factor": 1e-4, "add_offset": -0.1, "_FillValue": 0}
    notes = open_cube(cube).attrs["notes"]
    assert notes[:5] == [
        "Bands: B02, B03, B04, B05, B06, B07, B08, B11, B12 (not B8A), without scene classes, so that clouds are not "
        "masked.",
        "Grid: 6 rows and 5 columns of 10 x 10 in EPSG:32631.",
        "Times: 4 acquisitions from 2018-01-15 to 2018-04-15.",
        "Offset: 1000 is subtracted on every date (add_offset of the file).",
        "Values: uint16, no data is 0.",
    ]
    assert "Left aside of the cube, as no Sentinel-2 band: NDVI, slope." in notes


def test_notes_follow_a_cut_and_keep_what_readers_noted():
    cube = small_cube().assign(NDVI=small_cube()["B08"])
    opened = open_cube(cube)
    cut = open_cube(opened, dates="2018-03/2018-05")
    assert cut.attrs["notes"] == open_cube(cube, dates="2018-03/2018-05").attrs["notes"]
    assert "Times: 3 acquisitions from 2018-03-15 to 2018-05-15." in cut.attrs["notes"]
    assert opened.attrs["notes"] != cut.attrs["notes"]


def test_months_rows_from_the_south_and_unknown_sizes_are_told():
    cube = small_cube(2, 2).assign_coords(time=np.arange(1, 13)).isel(y=slice(None, None, -1))
    notes = open_cube(cube).attrs["notes"]
    assert "Times: 12 steps, read as months 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12." in notes
    assert "Grid: 2 rows and 2 columns of 10 x 10 in EPSG:32631, its rows from south to north." in notes
    lone = open_cube(small_cube(1, 1)).attrs["notes"]
    assert "Grid: 1 rows and 1 columns of unknown size in EPSG:32631." in lone


def test_a_scale_that_was_applied_already_is_not_applied_again():
    cube = small_cube(bands=BANDS)
    divided = each_band(cube, lambda band: (band * 1e-4).astype(np.float32))
    for scale in (1e-4, 1e-3):  # the usual one is left to the judge of units, any other is told here
        kept = each_band(divided, lambda band, scale=scale: band.assign_attrs(scale_factor=scale))
        opened = open_cube(kept)
        np.testing.assert_array_equal(opened["reflectance"], open_cube(divided)["reflectance"])
    assert "The scale in the attributes of the cube has been applied already." in opened.attrs["notes"]
