import pytest

from timesenclip_hf.extras import needs_extra


def test_a_missing_module_is_named_with_what_to_install():
    with pytest.raises(ImportError) as caught, needs_extra("map"):
        import no_such_module_at_all  # noqa: F401 (imported for its absence)
    assert str(caught.value) == (
        'This needs no_such_module_at_all, which is not installed: run pip install "timesenclip_hf[map]".'
    )


def test_a_hole_in_the_package_itself_is_no_missing_extra():
    with pytest.raises(ModuleNotFoundError, match="timesenclip_hf"), needs_extra("map"):
        import timesenclip_hf.no_such_module  # noqa: F401 (imported for its absence)


def test_what_is_installed_is_imported():
    with needs_extra("map"):
        import json
    assert json.loads("1") == 1
