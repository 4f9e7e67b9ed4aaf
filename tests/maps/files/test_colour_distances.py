import numpy as np
import pytest
from coloraide import Color

from timesenclip_hf.maps.files.colour_distances import ciede2000, seen, smallest_distances

# Of the test data of Sharma, Wu and Dalal (2005), table 1: two colours and their distance.
SHARMA = [
    ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
    ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
    ((50, 0, 0), (50, -1, 2), 2.3669),
    ((50, 2.49, -0.001), (50, -2.49, 0.0009), 7.1792),
    ((50, 2.5, 0), (50, 0, -2.5), 4.3065),
    ((50, 2.5, 0), (73, 25, -18), 27.1492),
    ((50, 2.5, 0), (58, 24, 15), 19.4535),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((90.8027, -2.0831, 1.4410), (91.1528, -1.6435, 0.0447), 1.4441),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
]


@pytest.mark.parametrize(("first", "second", "distance"), SHARMA)
def test_distances_are_those_of_the_published_pairs(first, second, distance):
    assert ciede2000(np.array(first), np.array(second)) == pytest.approx(distance, abs=5e-5)
    assert ciede2000(np.array(second), np.array(first)) == pytest.approx(distance, abs=5e-5)


def test_what_is_seen_with_each_deficiency_is_as_another_library_has_it():
    colours = np.random.default_rng(0).integers(0, 256, (60, 2, 3))
    views = [seen(colours[:, side]) for side in (0, 1)]
    ours = ciede2000(*views)
    for (first, second), column in zip(colours, ours.T, strict=True):
        pair = [Color("srgb", list(colour / 255)) for colour in (first, second)]
        expected = [pair[0].delta_e(pair[1], method="2000", space="lab-d65")]
        for name in ("protan", "deutan", "tritan"):
            one, other = (each.filter(name, 1, method="machado").clip("srgb") for each in pair)
            expected.append(one.delta_e(other, method="2000", space="lab-d65"))
        assert column == pytest.approx(expected, abs=0.02)
    np.testing.assert_array_equal(smallest_distances(*views).diagonal(), ours.min(axis=0))
