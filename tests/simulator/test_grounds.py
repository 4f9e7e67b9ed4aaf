import numpy as np
import pytest

from timesenclip_hf.simulator.climates import CLIMATE_NAMES
from timesenclip_hf.simulator.grounds import (
    CLIMATE_SOILS,
    ENDMEMBERS,
    GROUNDS,
    MEASURED,
    WETTED_GROUNDS,
    draw_material,
    draw_mixture,
    draw_soils,
)

POINTS = 20_000


def quantiles(name: str) -> np.ndarray:
    """Return the 5th, 50th and 95th percentile of what is drawn of a measured material, (3, 10)."""
    return np.percentile(MEASURED[name].draw(POINTS, np.random.default_rng(0)), [5, 50, 95], axis=0)


def test_every_ground_is_made_of_materials_that_there_are() -> None:
    assert {name for recipe in GROUNDS.values() for name in recipe} <= {*ENDMEMBERS, *MEASURED}
    assert not set(ENDMEMBERS) & set(MEASURED)
    assert set(WETTED_GROUNDS) <= set(GROUNDS)


def test_every_climate_has_soils_that_there_are() -> None:
    assert set(CLIMATE_SOILS) == set(CLIMATE_NAMES)
    for soils in CLIMATE_SOILS.values():
        assert set(soils) <= set(WETTED_GROUNDS)
        assert sum(soils.values()) == pytest.approx(1)


def test_soil_is_that_of_its_climate_and_other_grounds_are_the_same_everywhere() -> None:
    climates = np.repeat(["temperate", "rainforest", "rainforest"], 2000)
    kinds = draw_soils(np.repeat(["soil", "soil", "lake"], 2000), climates, np.random.default_rng(0)).reshape(3, 2000)
    assert set(kinds[0]) == {"soil"}
    assert set(kinds[2]) == {"lake"}
    assert np.mean(kinds[1] == "laterite") == pytest.approx(CLIMATE_SOILS["rainforest"]["laterite"], abs=0.03)
    assert set(kinds[1]) == set(CLIMATE_SOILS["rainforest"])


@pytest.mark.parametrize("kind", GROUNDS)
def test_every_ground_reflects_between_nothing_and_everything(kind: str) -> None:
    spectra = draw_mixture(kind, 500, np.random.default_rng(0))
    assert spectra.shape == (500, 10)
    assert spectra.min() > 0
    assert spectra.max() < 1.2


@pytest.mark.parametrize("name", MEASURED)
def test_the_median_drawn_is_the_mean_of_the_logits_measured(name: str) -> None:
    expected = 1 / (1 + np.exp(-np.array(MEASURED[name].mean)))
    assert np.allclose(quantiles(name)[1], expected, rtol=0.05)


def test_the_spread_drawn_is_that_of_components_and_rest() -> None:
    soil = MEASURED["loam"]
    drawn = soil.draw(POINTS, np.random.default_rng(0))
    expected = (np.array(soil.components) ** 2).sum(axis=0) + np.array(soil.rest) ** 2
    assert np.allclose(np.log(drawn / (1 - drawn)).std(axis=0), np.sqrt(expected), rtol=0.03)


def test_soils_in_the_field_are_darker_than_their_sieved_samples_and_roofs_are_as_measured() -> None:
    def median(spectra: np.ndarray) -> np.ndarray:
        return np.median(spectra, axis=0)

    rng = np.random.default_rng(0)
    soil = median(draw_material("loam", POINTS, rng)) / quantiles("loam")[1]
    roof = median(draw_material("clay tiles", POINTS, rng)) / quantiles("clay tiles")[1]
    assert np.allclose(soil, 0.92, atol=0.02)
    assert np.allclose(roof, 1, atol=0.02)


# Percentiles 5, 50 and 95 of the library's spectra at B04 and B11, as `training/derive_spectra.py` read them.
@pytest.mark.parametrize(
    ("name", "red", "infrared"),
    [
        ("black soil", (0.061, 0.107, 0.136), (0.142, 0.315, 0.458)),
        ("loam", (0.175, 0.218, 0.259), (0.266, 0.407, 0.532)),
        ("red soil", (0.234, 0.283, 0.361), (0.385, 0.496, 0.599)),
        ("yellow soil", (0.328, 0.386, 0.462), (0.455, 0.559, 0.691)),
        ("concrete tiles", (0.068, 0.105, 0.143), (0.073, 0.113, 0.151)),
        ("clay tiles", (0.171, 0.196, 0.265), (0.369, 0.538, 0.718)),
    ],
)
def test_quantiles_are_those_of_the_measured_spectra(
    name: str, red: tuple[float, ...], infrared: tuple[float, ...]
) -> None:
    assert np.allclose(quantiles(name)[:, [2, 8]].T, [red, infrared], rtol=0.12)
