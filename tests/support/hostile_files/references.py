"""Write the references to other files that kerchunk makes."""

import json

from .aims import Aim


def kerchunk(aim: Aim) -> str:
    zarray = {"zarr_format": 2, "shape": [4], "chunks": [4], "dtype": "<u2", "compressor": None, "fill_value": 0}
    references = {".zgroup": '{"zarr_format":2}', "B04/.zarray": json.dumps({**zarray, "order": "C", "filters": None})}
    return json.dumps({"version": 1, "refs": {**references, "B04/0": [f"file://{aim.secret}", 0, 8]}})
