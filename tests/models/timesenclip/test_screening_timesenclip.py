import numpy as np
import pytest

from timesenclip_hf import TimeSenCLIPFeatureExtractor
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS
from timesenclip_hf.models.timesenclip.screening_timesenclip import MOST_HIDDEN, cloud_like

# Digital numbers of the ten bands, as textbooks draw them.
GRASS = [350, 650, 450, 1100, 2800, 3400, 3600, 3700, 2000, 1000]
SOIL = [700, 1000, 1400, 1700, 1900, 2100, 2300, 2400, 3000, 2600]
CLOUD = [4500, 4400, 4500, 4700, 4900, 5000, 5100, 5100, 4300, 3400]
THIN_CLOUD = [2000, 2100, 2000, 2400, 3500, 3900, 4100, 4200, 2700, 1700]
SNOW = [8500, 8600, 8500, 8400, 8200, 8000, 7800, 7600, 1200, 900]
SALT = [5000, 5400, 5800, 6000, 6100, 6200, 6200, 6200, 5000, 3900]
SAND = [1800, 2600, 3400, 3700, 3900, 4100, 4200, 4300, 5000, 4700]
ROOF = [3200, 3300, 3400, 3500, 3600, 3600, 3700, 3700, 3500, 3300]
WATER = [500, 400, 250, 200, 150, 120, 100, 100, 50, 40]


def year(*spectra: list[int], count: int = 12) -> np.ndarray:
    """A series (1, count, 10) of the first spectrum, of which the last time steps are the others."""
    steps = [spectra[0]] * (count - len(spectra) + 1) + list(spectra[1:])
    return np.array([steps], dtype=np.float32)


def hidden(series: np.ndarray) -> list[int]:
    """Which time steps of a series are taken for cloud."""
    return np.flatnonzero(cloud_like(series, BANDS)[0]).tolist()


@pytest.mark.parametrize("ground", [GRASS, SOIL, WATER])
@pytest.mark.parametrize("cloud", [CLOUD, THIN_CLOUD])
def test_a_cloud_over_plants_soil_or_water_is_told(ground, cloud):
    assert hidden(year(ground, cloud, cloud)) == [10, 11]


@pytest.mark.parametrize("ground", [SNOW, SALT, SAND, ROOF])
def test_ground_that_is_bright_all_year_is_no_cloud(ground):
    varied = year(ground) * np.linspace(0.85, 1.15, 12, dtype=np.float32)[None, :, None]
    assert hidden(varied) == []


@pytest.mark.parametrize("months", range(1, 12))
def test_snow_is_no_cloud_however_long_it_lies(months):
    assert hidden(year(GRASS, *[SNOW] * months)) == []


def test_soil_that_is_laid_bare_is_no_cloud():
    assert hidden(year(GRASS, SOIL, SOIL, SAND)) == []


def test_a_salt_lake_that_is_dry_for_more_than_half_of_the_year_stays():
    dry = int(12 * MOST_HIDDEN) + 1
    assert hidden(year(WATER, *[SALT] * dry)) == []


def test_what_is_missing_is_neither_ground_nor_cloud():
    series = year(GRASS, CLOUD)
    series[0, 1:9] = np.nan
    assert hidden(series) == [11]
    assert hidden(np.full((1, 12, 10), np.nan, dtype=np.float32)) == []


def test_series_and_pixels_are_judged_each_by_itself():
    both = np.concatenate([year(GRASS, CLOUD), year(ROOF)])
    patches = both.reshape(2, 12, 10, 1, 1).repeat(2, axis=3)
    patches[0, :, :, 1] = year(ROOF)[0, ..., None]
    assert cloud_like(patches, BANDS).sum() == 1
    assert cloud_like(both, BANDS).sum() == 1


EXTRACT = TimeSenCLIPFeatureExtractor()


def observed(series: np.ndarray, extract: TimeSenCLIPFeatureExtractor = EXTRACT, **options: object) -> list[bool]:
    return extract(series, units="dn", offset=0, **options)["series_mask"][0].tolist()


def test_the_extractor_leaves_clouds_out_where_it_is_asked_to():
    cloudy = year(GRASS, CLOUD, CLOUD)
    assert observed(cloudy) == [True] * 12
    assert observed(cloudy, screen="clouds") == [True] * 10 + [False] * 2
    screening = TimeSenCLIPFeatureExtractor(screen="clouds")
    assert observed(cloudy, screening) == [True] * 10 + [False] * 2
    assert observed(cloudy, screening, screen="none") == [True] * 12


def test_of_native_acquisitions_the_clear_ones_make_the_month():
    series = year(GRASS, CLOUD, CLOUD, count=6)
    dates = np.datetime64("2018-05-01") + np.arange(6)
    features = EXTRACT(series, units="dn", offset=0, dates=dates, screen="clouds")
    np.testing.assert_array_equal(features["pixel_series"][0, 4], EXTRACT(year(GRASS))["pixel_series"][0, 4])


def test_scene_classes_take_the_place_of_the_screen():
    cloudy = year(GRASS, CLOUD, CLOUD)
    assert observed(cloudy, screen="clouds", scl=[9] + [4] * 11) == [False] + [True] * 11


def test_a_screen_is_saved_with_the_extractor(tmp_path):
    TimeSenCLIPFeatureExtractor(screen="clouds").save_pretrained(tmp_path)
    assert TimeSenCLIPFeatureExtractor.from_pretrained(tmp_path).screen == "clouds"


def test_a_screen_that_there_is_not_or_that_lacks_bands_is_refused():
    with pytest.raises(ValueError, match="`screen` must be one of clouds, none, got 'snow'"):
        EXTRACT(year(GRASS), screen="snow")
    few = TimeSenCLIPFeatureExtractor(band_names=["B02", "B04"], band_low=[0, 0], band_scale=[1, 1])
    with pytest.raises(ValueError, match='`screen="clouds"` needs B03, B08, B11, B12, which this checkpoint does not'):
        few(year(GRASS)[:, :, :2], screen="clouds")
