"""STAC assets may be out in the open, on the server that the item came from, or rasters that a saved item names."""

import pytest

from tests.support.hostile_files.rasters import write_tiff
from timesenclip_hf.gate import addresses
from timesenclip_hf.gate.addresses import admit_asset

pytestmark = pytest.mark.needs_extra("map")


@pytest.fixture(autouse=True)
def names(monkeypatch):
    """Answer for the names of the tests, without a network."""
    known = {"open.example": "93.184.216.34", "rebound.example": "127.0.0.1", "metadata.example": "169.254.169.254"}
    known["provider.example"] = "10.1.2.3"

    def resolve(host, port):
        if host not in known:
            raise OSError("no such name")
        return [(2, 1, 6, "", (known[host], 0))]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", resolve)
    addresses._is_inside.cache_clear()
    yield
    addresses._is_inside.cache_clear()


@pytest.mark.parametrize(
    "address",
    [
        "https://open.example/B04.tif?sig=a",
        "http://93.184.216.34:8080/B04.jp2",
        "s3://bucket/B04.tif",
        "https://unknown.example/B04.tif",
        "https://provider.example/B04.tif",  # public names lead into a provider's network from inside its cloud
    ],
)
def test_an_address_out_in_the_open_is_left_as_it_is(address, tmp_path):
    assert admit_asset(address, "item", tmp_path) == admit_asset(address, "item", "https://api.example") == address


@pytest.mark.parametrize("host", ["rebound.example", "metadata.example", "169.254.169.254", "a.internal", "nas.local"])
def test_an_address_inside_is_refused_whatever_it_is_called(host, tmp_path):
    for base in (tmp_path, "https://api.example"):
        with pytest.raises(ValueError, match=r"which is inside this machine or its network: if you know the server"):
            admit_asset(f"http://{host}/B04.tif", "item", base)


def test_a_server_inside_may_name_what_it_has_itself():
    address = "http://192.168.1.2:9000/B04.tif"
    assert admit_asset(address, "item", "http://192.168.1.2:8080/stac") == address
    with pytest.raises(ValueError, match="inside this machine or its network"):
        admit_asset("http://192.168.1.3/B04.tif", "item", "http://192.168.1.2:8080/stac")


def test_a_saved_item_names_rasters_wherever_they_lie_and_a_server_none(tmp_path):
    path = write_tiff(tmp_path / "a b.tif")
    folder = tmp_path / "items"
    folder.mkdir()
    for name in (str(path), "../a b.tif", f"file://{tmp_path}/a%20b.tif"):
        assert admit_asset(name, "item", folder).endswith("a b.tif")
        with pytest.raises(ValueError, match="of a server names the file"):
            admit_asset(name, "item", "https://api.example")
    with pytest.raises(FileNotFoundError, match=r"is missing, there is no file .*c.tif"):
        admit_asset("c.tif", "item", tmp_path)
