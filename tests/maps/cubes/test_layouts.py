import numpy as np
import pytest

from tests.support.cube_layouts import control, cube_layouts, layers_of
from timesenclip_hf.maps import map_cube, open_cube

LAYOUTS = cube_layouts()
LABELS = "maize,water,houses"


def cases(*, refused):
    """Give layouts by name; those that write files are slow."""
    chosen = [layout for layout in LAYOUTS if (layout.options is None) == refused]
    return [
        pytest.param(layout, id=layout.name, marks=() if layout.name.startswith("xarray") else pytest.mark.slow)
        for layout in chosen
    ]


@pytest.fixture(scope="module")
def expected(tiny_pipeline):
    return layers_of(map_cube(open_cube(control()), LABELS, tiny_pipeline, progress=False))


@pytest.mark.parametrize("layout", cases(refused=False))
def test_a_cube_gives_the_map_of_the_control_in_whatever_form_it_comes(tmp_path, layout, expected, tiny_pipeline):
    opened = layout.open(tmp_path, control())
    layers = layers_of(map_cube(opened, LABELS, tiny_pipeline, progress=False).compute())
    np.testing.assert_array_equal(layers["class"], expected["class"])
    for name, values in expected.items():
        np.testing.assert_allclose(layers[name], values, atol=1e-6, rtol=0)
    assert (expected["clear_months"] == 10).any()


@pytest.mark.parametrize("layout", cases(refused=True))
def test_what_is_no_cube_is_refused_in_one_sentence(tmp_path, layout, tiny_pipeline):
    with pytest.raises(ValueError, match=r".{20}") as caught:
        map_cube(layout.open(tmp_path, control()), LABELS, tiny_pipeline, progress=False)
    assert "\n" not in str(caught.value)


def test_the_layouts_are_many_and_each_has_its_name():
    names = [layout.name for layout in LAYOUTS]
    assert len(set(names)) == len(names) >= 60
