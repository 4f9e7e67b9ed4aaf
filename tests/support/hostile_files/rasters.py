"""Write rasters that point elsewhere: VRTs, GDAL's XML, and GeoTIFFs by their metadata and what is beside them."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .aims import SIDE, Aim, Hostile, named
from .references import kerchunk


def write_tiff(path: Path, **options: Any) -> Path:
    """Write a small sound GeoTIFF of one band and date, with tags of GDAL's namespaces where given."""
    import rasterio

    shape = {"width": SIDE, "height": SIDE, "count": 1, "dtype": "uint16"}
    transform = rasterio.Affine(10, 0, 500_000, 0, -10, 5_600_000)
    with rasterio.open(path, "w", driver="GTiff", crs="EPSG:32631", transform=transform, **shape) as raster:
        raster.write(np.full((1, SIDE, SIDE), 900, dtype=np.uint16))
        for namespace, tags in options.items():
            raster.update_tags(ns=namespace, **tags)
    return path


_HEAD = (
    f'<VRTDataset rasterXSize="{SIDE}" rasterYSize="{SIDE}"{{attributes}}><SRS>EPSG:32631</SRS>'
    "<GeoTransform>500000,10,0,5600000,0,-10</GeoTransform>{content}</VRTDataset>"
)


def vrt_text(band: str, attributes: str = "", more: str = "") -> str:
    """Return the text of a VRT with the content of its only band."""
    return _HEAD.format(
        attributes=attributes, content=f'<VRTRasterBand dataType="UInt16" band="1"{band}</VRTRasterBand>{more}'
    )


def simple_source(name: str, relative: int) -> str:
    """Return the content of a band of a VRT that is one source."""
    return (
        f'><SimpleSource><SourceFilename relativeToVRT="{relative}">{name}</SourceFilename><SourceBand>1</SourceBand>'
        "</SimpleSource>"
    )


def _vrt(text: Callable[[Aim], str], suffix: str = ".vrt") -> Callable[[Aim], Path]:
    def write(aim: Aim) -> Path:
        write_tiff(aim.secret.with_name("secret.tif"))
        path = aim.folder / f"B04_2018-06-15{suffix}"
        path.write_text(text(aim), encoding="utf-8")
        return path

    return write


def vrt_of_bytes(aim: Aim) -> str:
    band = (
        f' subClass="VRTRawRasterBand"><SourceFilename relativeToVRT="0">{aim.secret}</SourceFilename><ImageOffset>0'
        f"</ImageOffset><PixelOffset>2</PixelOffset><LineOffset>{2 * SIDE}</LineOffset>"
    )
    return vrt_text(band)


def _python(aim: Aim) -> str:
    code = f"import shutil; shutil.copy('{aim.secret}', '{aim.folder}/copy')"
    band = (
        ' subClass="VRTDerivedRasterBand"><PixelFunctionLanguage>Python</PixelFunctionLanguage><PixelFunctionType>f'
        f"</PixelFunctionType><PixelFunctionCode>def f(*a, **k):\n {code}</PixelFunctionCode>"
    )
    return vrt_text(band)


def _warped(aim: Aim) -> str:
    more = f'<GDALWarpOptions><SourceDataset relativeToVRT="0">{aim.secret}</SourceDataset></GDALWarpOptions>'
    return vrt_text(' subClass="VRTWarpedRasterBand">', ' subClass="VRTWarpedDataset"', more)


def _linked(aim: Aim) -> str:
    os.symlink(aim.secret.with_name("secret.tif"), aim.folder / "below.tif")
    return vrt_text(simple_source("below.tif", 1))


def _nested(aim: Aim) -> str:
    inner = vrt_text(simple_source(str(aim.secret.with_name("secret.tif")), 0))
    (aim.folder / "inner.tif").write_text(inner, encoding="utf-8")
    return vrt_text(simple_source("inner.tif", 1))


def _overviews(aim: Aim) -> str:
    write_tiff(aim.folder / "below.tif")
    more = f'<Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">{aim.secret}</MDI></Metadata>'
    return vrt_text(simple_source("below.tif", 1), more=more)


def _entity(aim: Aim) -> str:
    return f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{aim.secret}">]>' + vrt_text(simple_source("&e;", 1))


def _mask(aim: Aim) -> str:
    write_tiff(aim.folder / "below.tif")
    more = f'<MaskBand><VRTRasterBand dataType="Byte"{simple_source(str(aim.secret), 0)}</VRTRasterBand></MaskBand>'
    return vrt_text(simple_source("below.tif", 1), more=more)


def _options(aim: Aim) -> str:
    write_tiff(aim.folder / "below.tif")
    band = (
        '><SimpleSource><SourceFilename relativeToVRT="1">below.tif</SourceFilename><OpenOptions><OOI key="X">1</OOI>'
        "</OpenOptions></SimpleSource>"
    )
    return vrt_text(band)


def _other_secret(aim: Aim) -> str:
    return str(aim.secret.with_name("secret.tif"))


VRT_FILES = [
    Hostile(f"VRT of {name}", "cube", _vrt(text))
    for name, text in {
        "an absolute path": lambda aim: vrt_text(simple_source(_other_secret(aim), 0)),
        "an absolute path called relative": lambda aim: vrt_text(simple_source(_other_secret(aim), 1)),
        "a path above": lambda aim: vrt_text(simple_source("../secret.tif", 1)),
        "an address": lambda aim: vrt_text(simple_source(f"/vsicurl/{aim.address}/B04.tif", 0)),
        "an address called relative": lambda aim: vrt_text(simple_source(f"/vsicurl/{aim.address}/B04.tif", 1)),
        "a web address": lambda aim: vrt_text(simple_source(f"{aim.address}/B04.tif", 0)),
        "a VRT in a name": lambda aim: vrt_text(simple_source(f"vrt://{_other_secret(aim)}?bands=1", 1)),
        "raw bytes": vrt_of_bytes,
        "Python": _python,
        "a warped file": _warped,
        "a link below it": _linked,
        "another VRT": _nested,
        "overviews elsewhere": _overviews,
        "an entity": _entity,
        "a mask elsewhere": _mask,
        "options": _options,
    }.items()
]
VRT_FILES.append(Hostile("VRT called GeoTIFF", "cube", _vrt(vrt_of_bytes, ".tif")))


def _wms(aim: Aim) -> str:
    return (
        f'<GDAL_WMS><Service name="TMS"><ServerUrl>{aim.address}/${{z}}/${{x}}/${{y}}.png</ServerUrl></Service>'
        "<DataWindow><UpperLeftX>0</UpperLeftX><UpperLeftY>10</UpperLeftY><LowerRightX>10</LowerRightX><LowerRightY>0"
        "</LowerRightY><SizeX>4</SizeX><SizeY>4</SizeY></DataWindow><Projection>EPSG:3857</Projection>"
        "<BandsCount>1</BandsCount></GDAL_WMS>"
    )


def _tile_index(aim: Aim) -> str:
    return f"<GDALTileIndexDataset><IndexDataset>{aim.secret}</IndexDataset></GDALTileIndexDataset>"


def _metadata_elsewhere(aim: Aim) -> Path:
    tags = {"OVERVIEWS": {"OVERVIEW_FILE": f"/vsicurl/{aim.address}/overviews.tif"}}
    return write_tiff(aim.folder / "B04_2018-06-15.tif", **tags)


def _beside(suffix: str, text: Callable[[Aim], str]) -> Callable[[Aim], Path]:
    def write(aim: Aim) -> Path:
        path = write_tiff(aim.folder / "B04_2018-06-15.tif")
        path.with_name(path.name + suffix).write_text(text(aim), encoding="utf-8")
        return path

    return write


def _pam(aim: Aim, key: str = "OVERVIEW_FILE") -> str:
    item = f'<MDI key="{key}">{aim.secret}</MDI>'
    return f'<PAMDataset><Metadata domain="OVERVIEWS">{item}</Metadata></PAMDataset>'


def _escaped_pam(aim: Aim) -> str:
    return _pam(aim, "OVERVIEW&#x5F;FILE")


def _escaped_metadata(aim: Aim) -> Path:
    """Write a GeoTIFF whose metadata name another file, with an escape in the name of the item."""
    path = _metadata_elsewhere(aim)
    content = path.read_bytes()
    assert content.count(b"OVERVIEW_FILE") == 1
    # As long as before: the address makes room for the escape.
    escaped = content.replace(b"OVERVIEW_FILE", b"OVERVIEW&#95;FILE").replace(b"/overviews.tif<", b"/overv.tif<")
    assert len(escaped) == len(content)
    path.write_bytes(escaped)
    return path


def _overviews_of_overviews(aim: Aim) -> Path:
    path = write_tiff(aim.folder / "B04_2018-06-15.tif")
    inner = write_tiff(aim.folder / "inner.tif", OVERVIEWS={"OVERVIEW_FILE": f"/vsicurl/{aim.address}/overviews.tif"})
    inner.rename(path.with_name(f"{path.name}.ovr"))
    return path


def _beside_vrt(suffix: str, text: Callable[[Aim], str]) -> Callable[[Aim], Path]:
    def write(aim: Aim) -> Path:
        write_tiff(aim.folder / "below.tif")
        path = aim.folder / "B04_2018-06-15.vrt"
        path.write_text(vrt_text(simple_source("below.tif", 1)), encoding="utf-8")
        path.with_name(path.name + suffix).write_text(text(aim), encoding="utf-8")
        return path

    return write


def _jpeg2000_box(aim: Aim) -> Path:
    """Write a JPEG 2000 with GDAL's metadata in a box behind its image."""
    import rasterio

    shape = {"width": 64, "height": 64, "count": 1, "dtype": "uint16"}
    transform = rasterio.Affine(10, 0, 500_000, 0, -10, 5_600_000)
    path = aim.folder / "B04_2018-06-15.jp2"
    with rasterio.open(path, "w", driver="JP2OpenJPEG", crs="EPSG:32631", transform=transform, **shape) as raster:
        raster.write(np.full((1, 64, 64), 900, dtype=np.uint16))
    item = f'<MDI key="OVERVIEW_FILE">{aim.secret}</MDI>'
    text = f'<GDALMultiDomainMetadata><Metadata domain="OVERVIEWS">{item}</Metadata></GDALMultiDomainMetadata>'.encode()
    with path.open("ab") as file:
        file.write((8 + len(text)).to_bytes(4, "big") + b"xml " + text)
    return path


RASTER_FILES = [
    *VRT_FILES,
    Hostile("GDAL's XML of a map service", "cube", named("B04_2018-06-15.tif", _wms)),
    Hostile("GDAL's XML of a coverage service", "cube", named("B04_2018-06-15.tif", lambda aim: (
        f"<WCS_GDAL><ServiceURL>{aim.address}/?</ServiceURL><CoverageName>B04</CoverageName></WCS_GDAL>"
    ))),
    Hostile("GDAL's XML of a tile service", "cube", named("B04_2018-06-15.tif", lambda aim: (
        f"<GDAL_WMTS><GetCapabilitiesUrl>{aim.address}/wmts.xml</GetCapabilitiesUrl></GDAL_WMTS>"
    ))),
    Hostile("GDAL's XML of a tile index", "cube", named("B04_2018-06-15.tif", _tile_index)),
    Hostile("STAC items called GeoTIFF", "cube", named("B04_2018-06-15.tif", lambda aim: json.dumps(
        {"type": "FeatureCollection", "features": [{"type": "Feature", "stac_version": "1.0.0", "assets": {
            "B04": {"href": f"{aim.address}/B04.tif"}}}]}
    ))),
    Hostile("Zarr references called NetCDF", "cube", named("cube.nc", kerchunk)),
    Hostile("Zarr references in JSON", "cube", named("cube.json", kerchunk)),
    Hostile("GeoTIFF with overviews elsewhere", "cube", _metadata_elsewhere),
    Hostile("GeoTIFF with overviews elsewhere, in escapes", "cube", _escaped_metadata),
    Hostile("GeoTIFF with metadata beside it, in escapes", "cube", _beside(".aux.xml", _escaped_pam)),
    Hostile("GeoTIFF whose overviews have overviews elsewhere", "cube", _overviews_of_overviews),
    Hostile("VRT with metadata beside it", "cube", _beside_vrt(".aux.xml", _pam)),
    Hostile("VRT with overviews that are a VRT", "cube", _beside_vrt(".ovr", vrt_of_bytes)),
    Hostile("JPEG 2000 with metadata behind its image", "cube", _jpeg2000_box),
    Hostile("GeoTIFF with metadata beside it", "cube", _beside(".aux.xml", _pam)),
    Hostile("GeoTIFF with overviews that are a VRT", "cube", _beside(".ovr", vrt_of_bytes)),
    Hostile("GeoTIFF with a mask that is a VRT", "cube", _beside(".msk", vrt_of_bytes)),
]  # fmt: skip
