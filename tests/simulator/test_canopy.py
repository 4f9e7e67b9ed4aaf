from types import ModuleType

import numpy as np
import pytest

from timesenclip_hf.simulator.canopy import _DIFFUSE_SHARE, canopy_reflectance, leaf_optics

SOIL = np.array([[0.09, 0.13, 0.17, 0.20, 0.22, 0.23, 0.25, 0.27, 0.35, 0.30]])


def leaf(**changes: float) -> tuple[np.ndarray, np.ndarray]:
    content = {
        "layers": 1.5,
        "chlorophyll": 45.0,
        "carotenoids": 10.0,
        "brown": 0.0,
        "water": 0.015,
        "dry_matter": 0.005,
    } | changes
    return leaf_optics(**{name: np.array([value]) for name, value in content.items()})


def canopy(lai: float, *, angle: float = 57.0, size: float = 0.1, sun: float = 35.0) -> np.ndarray:
    values = (np.array([value]) for value in (lai, angle, size, sun))
    return canopy_reflectance(*leaf(), *values, SOIL)[0]


def test_a_green_leaf_reflects_as_the_literature_says() -> None:
    reflectance, _ = leaf()
    expected = [0.05, 0.10, 0.04, 0.15, 0.43, 0.47, 0.47, 0.47, 0.29, 0.14]
    assert np.allclose(reflectance[0], expected, atol=0.03)


def test_a_leaf_never_returns_more_light_than_it_receives() -> None:
    rng = np.random.default_rng(0)
    low, high = [1, 0, 0, 0, 0, 0], [3, 80, 20, 2, 0.06, 0.03]
    reflectance, transmittance = leaf_optics(*(rng.uniform(a, b, 500) for a, b in zip(low, high, strict=True)))
    assert reflectance.min() > 0
    assert transmittance.min() >= 0
    assert (reflectance + transmittance).max() <= 1 + 1e-9


def test_a_leaf_without_pigment_water_or_matter_loses_no_light() -> None:
    reflectance, transmittance = leaf(layers=2.0, chlorophyll=0, carotenoids=0, water=0, dry_matter=0)
    assert np.allclose(reflectance + transmittance, 1, atol=2e-3)


def test_more_chlorophyll_darkens_red_and_more_water_darkens_the_short_wave_infrared() -> None:
    assert leaf(chlorophyll=60)[0][0, 2] < leaf(chlorophyll=20)[0][0, 2]
    assert (leaf(water=0.03)[0][0, 8:] < leaf(water=0.01)[0][0, 8:]).all()


def test_a_canopy_without_leaves_is_its_background() -> None:
    assert np.allclose(canopy(0.0), SOIL[0], atol=1e-4)


def test_leaves_close_over_the_soil_until_more_of_them_change_nothing() -> None:
    red = [canopy(lai)[2] for lai in (0, 0.5, 1, 2, 4)]
    near_infrared = [canopy(lai)[6] for lai in (0, 0.5, 1, 2, 4)]
    assert red == sorted(red, reverse=True)
    assert near_infrared == sorted(near_infrared)
    assert np.allclose(canopy(12.0), canopy(14.0), atol=0.01)


def test_a_smaller_hot_spot_shows_more_shadow() -> None:
    assert (canopy(3.0, size=0.01) < canopy(3.0, size=0.5)).all()


def test_the_closed_form_holds_where_two_of_its_rates_meet() -> None:
    reflectance = canopy_reflectance(
        *leaf(), np.full(200, 3.0), np.linspace(20, 80, 200), np.full(200, 0.1), np.full(200, 35.0), SOIL
    )
    assert np.isfinite(reflectance).all()
    assert np.abs(np.diff(reflectance, axis=0)).max() < 0.02


@pytest.mark.parametrize("sun", [15.0, 45.0, 75.0])
def test_a_white_canopy_over_white_ground_lights_up_to_about_one_under_diffuse_and_direct_light(
    sun: float,
) -> None:
    half = np.full((1, 10), 0.4999)
    values = (np.array([value]) for value in (2.0, 57.0, 1e-3, sun))
    reflectance = canopy_reflectance(half, half, *values, np.ones((1, 10)))
    assert np.allclose(reflectance, 1, atol=0.15)


# The bands' half-power limits in nm, as Sentinel-2's user handbook has them, and the wavelengths of PROSPECT.
BANDS = [(458, 523), (543, 578), (650, 680), (698, 713), (733, 748), (773, 793), (785, 900), (855, 875)]
BANDS += [(1565, 1655), (2100, 2280)]
WAVELENGTHS = np.arange(400, 2501)
# Of the simulated green leaves: layers, chlorophyll, carotenoids, brown pigment, water, dry matter.
LOWEST, HIGHEST = np.array([1.2, 20, 4, 0, 0.009, 0.004]), np.array([2.2, 60, 14, 0.5, 0.035, 0.015])


@pytest.fixture(scope="module")
def prosail() -> ModuleType:
    return pytest.importorskip("prosail", reason="PROSPECT and 4SAIL of the package prosail are not installed")


def some_leaves(count: int) -> np.ndarray:
    return LOWEST + np.random.default_rng(0).random((count, 6)) * (HIGHEST - LOWEST)


def over_bands(spectrum: np.ndarray) -> np.ndarray:
    return np.array([spectrum[(low <= WAVELENGTHS) & (high >= WAVELENGTHS)].mean() for low, high in BANDS])


def test_leaves_are_those_of_prospect_5_averaged_over_the_bands(prosail: ModuleType) -> None:
    leaves = some_leaves(200)
    spectra = [prosail.run_prospect(*leaf, prospect_version="5")[1:] for leaf in leaves]
    expected = np.array([[over_bands(spectrum) for spectrum in pair] for pair in spectra])
    difference = np.stack(leaf_optics(*leaves.T), axis=1) - expected
    # One absorption for a band is no mean over its wavelengths: up to 0.038 in reflectance and transmittance, most in
    # B06, on the red edge, and in B12; 0.012 root mean square.
    assert np.abs(difference).max() < 0.06
    assert np.sqrt((difference**2).mean()) < 0.02
    # In red, which neither an edge nor water cuts across, 0.004.
    assert np.abs(difference[:, :, 2]).max() < 0.01


def test_canopies_of_the_same_leaves_are_those_of_4sail(prosail: ModuleType) -> None:
    rng = np.random.default_rng(0)
    leaves = leaf_optics(*some_leaves(200).T)
    lai, angle, size, sun = rng.uniform([0.2, 32, 0.03, 20], [6.5, 72, 0.3, 70], (200, 4)).T
    soil = rng.uniform(0.03, 0.45, (200, 10))
    ours = canopy_reflectance(*leaves, lai, angle, size, sun, soil)
    middles = [(low + high) // 2 - 400 for low, high in BANDS]
    for row in range(200):
        spectra = np.full((3, len(WAVELENGTHS)), 0.2)
        spectra[:, middles] = leaves[0][row], leaves[1][row], soil[row]
        where = (lai[row], angle[row], size[row], sun[row], 0.0, 0.0)
        direct, diffuse = (
            prosail.run_sail(*spectra[:2], *where, typelidf=2, rsoil0=spectra[2], factor=factor)[middles]
            for factor in ("SDR", "HDR")
        )
        # Six nodes of leaf angle and eight of depth stand for 18 and 20: up to 0.0013.
        assert np.abs(ours[row] - (direct + _DIFFUSE_SHARE * (diffuse - direct))).max() < 0.004


def test_whole_canopies_are_those_of_prosail_averaged_over_the_bands(prosail: ModuleType) -> None:
    rng = np.random.default_rng(1)
    leaves = some_leaves(100)
    lai, angle, size, sun = rng.uniform([0.2, 32, 0.03, 20], [6.5, 72, 0.3, 70], (100, 4)).T
    ours = canopy_reflectance(*leaf_optics(*leaves.T), lai, angle, size, sun, np.full((100, 10), 0.15))
    soil = np.full(len(WAVELENGTHS), 0.15)
    expected = []
    for leaf, *where in zip(leaves, lai, angle, size, sun, strict=True):
        direct, diffuse = (
            over_bands(
                prosail.run_prosail(
                    *leaf, *where, 0.0, 0.0, typelidf=2, rsoil0=soil, prospect_version="5", factor=factor
                )
            )
            for factor in ("SDR", "HDR")
        )
        expected.append(direct + _DIFFUSE_SHARE * (diffuse - direct))
    difference = ours - np.array(expected)
    # Up to 0.040, most in the near infrared; 0.011 root mean square.
    assert np.abs(difference).max() < 0.06
    assert np.sqrt((difference**2).mean()) < 0.02
