"""Write small SAFE products, as the Copernicus Data Space unpacks them, and rasters by band, from a cube."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
import xarray as xr

from timesenclip_hf.maps.cubes.grids import Grid

TILE = "T31UDS"
# Which resolutions L2A has each band in, in metres; the finest is its own.
RESOLUTIONS = {
    **dict.fromkeys(("B02", "B03", "B04"), (10, 20)),
    "B08": (10,),
    **dict.fromkeys(("B05", "B06", "B07", "B8A", "B11", "B12", "SCL"), (20, 60)),
}


def write_band(path: Path, values: np.ndarray, y: np.ndarray, x: np.ndarray, crs: object) -> Path:
    """Write one band (y, x), lossless; the suffix says JPEG 2000 or GeoTIFF."""
    path.parent.mkdir(parents=True, exist_ok=True)
    jpeg = path.suffix == ".jp2"
    options = {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES"} if jpeg else {"driver": "GTiff"}
    shape = {"height": len(y), "width": len(x), "count": 1, "dtype": values.dtype}
    with rasterio.open(path, "w", crs=crs, transform=Grid(y, x).transform, **shape, **options) as raster:
        raster.write(values, 1)
    return path


def write_safe(
    folder: Path,
    cube: xr.Dataset,
    index: int,
    *,
    baseline: str = "02.07",
    offset: int = 0,
    metadata: bool = True,
    raised: int | None = None,
    level: str = "L2A",
) -> Path:
    """Write one acquisition of an opened cube, of 12 x 12 pixels or a multiple, as a SAFE product.

    Bands of 20 m hold every other pixel of the cube. Beside them lie the rasters that a product has besides its
    bands, which nobody wants to map.

    Args:
        folder: to write into.
        cube: from `open_cube`.
        index: of the acquisition along the cube's time axis.
        baseline: of the processing.
        offset: written to the metadata as BOA_ADD_OFFSET, unless 0.
        metadata: write MTD_MSIL2A.xml.
        raised: added to the numbers where there is data; `offset` when left out.
        level: "L2A" or "L1C".
    """
    day = str(cube["time"].values[index])[:10].replace("-", "")
    name = f"S2A_MSI{level}_{day}T105031_N{baseline.replace('.', '')}_R051_{TILE}_{day}T125031.SAFE"
    images = folder / name / "GRANULE" / f"{level}_{TILE}_A015101_{day}T105031" / "IMG_DATA"
    y, x = cube["y"].values, cube["x"].values
    for band, resolutions in RESOLUTIONS.items():
        if band == "SCL" and "scl" not in cube:
            continue
        source = cube["scl"] if band == "SCL" else cube["reflectance"].sel(band=band)
        values = source.values[index]
        if band != "SCL":
            more = offset if raised is None else raised
            values = np.where(values == 0, 0, values + more).astype(values.dtype)
        for metres in resolutions:
            step = metres // 10
            centres = [axis[::step] + (step - 1) * 5 * np.sign(axis[1] - axis[0]) for axis in (y, x)]
            path = images / f"R{metres}m" / f"{TILE}_{day}T105031_{band}_{metres}m.jp2"
            write_band(path, values[::step, ::step], *centres, cube.rio.crs)
    plain = np.ones((len(y), len(x)), dtype=np.uint16)
    for path in (
        images / "R10m" / f"{TILE}_{day}T105031_AOT_10m.jp2",
        images / "R10m" / f"{TILE}_{day}T105031_TCI_10m.jp2",
        images.parent / "QI_DATA" / "MSK_DETFOO_B02.jp2",
    ):
        write_band(path, plain, y, x, cube.rio.crs)
    if metadata:
        (folder / name / f"MTD_MSI{level}.xml").write_text(metadata_xml(baseline, [-offset] * 13 if offset else []))
    return folder / name


def metadata_xml(baseline: str, offsets: Sequence[float], quantification: int = 10000) -> str:
    """Write the parts of MTD_MSIL2A.xml that say how the numbers are stored."""
    elements = (f'<BOA_ADD_OFFSET band_id="{band}">{offset}</BOA_ADD_OFFSET>' for band, offset in enumerate(offsets))
    values = "".join(elements)
    listed = f"<BOA_ADD_OFFSET_VALUES_LIST>{values}</BOA_ADD_OFFSET_VALUES_LIST>" if offsets else ""
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-2A_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-2A.xsd">
  <n1:General_Info>
    <Product_Info><PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE></Product_Info>
    <Product_Image_Characteristics>
      <QUANTIFICATION_VALUES_LIST>
        <BOA_QUANTIFICATION_VALUE unit="none">{quantification}</BOA_QUANTIFICATION_VALUE>
        <AOT_QUANTIFICATION_VALUE unit="none">1000.0</AOT_QUANTIFICATION_VALUE>
      </QUANTIFICATION_VALUES_LIST>
      {listed}
    </Product_Image_Characteristics>
  </n1:General_Info>
</n1:Level-2A_User_Product>
"""
