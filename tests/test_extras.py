import json
from importlib.metadata import distribution

import pytest

from timesenclip_hf import extras
from timesenclip_hf.extras import command_to_install, needs_extra


def test_a_missing_module_is_named_with_what_to_install():
    with pytest.raises(ImportError) as caught, needs_extra("map"):
        import no_such_module_at_all  # noqa: F401 (imported for its absence)
    assert str(caught.value) == (
        f"This needs no_such_module_at_all, which is not installed: run {command_to_install('map')}."
    )


def test_a_hole_in_the_package_itself_is_no_missing_extra():
    with pytest.raises(ModuleNotFoundError, match="timesenclip_hf"), needs_extra("map"):
        import timesenclip_hf.no_such_module  # noqa: F401 (imported for its absence)


def test_what_is_installed_is_imported():
    with needs_extra("map"):
        import json
    assert json.loads("1") == 1


@pytest.mark.parametrize(
    ("origin", "command"),
    [
        ({}, 'pip install "timesenclip_hf[map]"'),
        ({"url": "{folder}", "dir_info": {}}, 'pip install "{path}[map]"'),
        ({"url": "{folder}", "dir_info": {"editable": True}}, 'pip install --editable "{path}[map]"'),
        ({"url": "{folder}/a.whl", "archive_info": {}}, 'pip install "timesenclip_hf[map] @ {folder}/a.whl"'),
        ({"url": "{folder}/gone", "dir_info": {}}, 'pip install "timesenclip_hf[map]"'),
        (
            {"url": "https://example.org/a.git", "vcs_info": {"vcs": "git", "commit_id": "12ab"}},
            'pip install "timesenclip_hf[map] @ git+https://example.org/a.git@12ab"',
        ),
    ],
    ids=["index", "checkout", "editable checkout", "wheel", "folder that is gone", "repository"],
)
def test_an_extra_is_added_from_where_the_package_came(origin, command, tmp_path, monkeypatch):
    checkout = tmp_path / "a checkout"
    checkout.mkdir()
    (checkout / "a.whl").touch()
    names = {"folder": checkout.as_uri(), "path": str(checkout)}
    url = {"url": origin["url"].format(**names)} if origin else {}
    monkeypatch.setattr(extras, "_read_origin", lambda: origin | url)
    assert command_to_install("map") == command.format(**names)


def test_what_this_installation_came_from_is_read_from_its_own_metadata(monkeypatch):
    kept = {"url": "https://example.org/a.git", "vcs_info": {"vcs": "git", "commit_id": "12ab"}}
    monkeypatch.setattr(
        type(distribution("timesenclip-hf")),
        "read_text",
        lambda self, name: {"direct_url.json": json.dumps(kept)}.get(name),
    )
    assert command_to_install("map") == 'pip install "timesenclip_hf[map] @ git+https://example.org/a.git@12ab"'
    monkeypatch.setattr(type(distribution("timesenclip-hf")), "read_text", lambda self, name: None)
    assert command_to_install("map") == 'pip install "timesenclip_hf[map]"'
