"""Turn Sentinel-2 images into 8-bit pictures, and these into what CLIP's vision tower reads."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image
from transformers import BatchFeature, CLIPImageProcessorPil, CLIPModel
from transformers.utils import logging

from ..timesenclip.bands_timesenclip import BANDS, distinct_bands
from ..timesenclip.options_timesenclip import SeriesOptions
from ..timesenclip.radiometry_timesenclip import to_digital_numbers
from ..timesenclip.units_timesenclip import DN_PER_REFLECTANCE, PLAUSIBLE_REFLECTANCE

logger = logging.get_logger(__name__)

RGB = ["B04", "B03", "B02"]
STRETCHES = ("fixed", "per_image")
# Reflectance that becomes white: EuroSAT's own pictures are digital numbers clipped at 2750 (Helber et al. 2019).
WHITE_REFLECTANCE = 0.275
# Soil against leaf makes land vary more in red than in blue. Of 2,000 EuroSAT pictures 86 % vary in green by 4 grey
# levels and more, the others are open water and closed forest; of all, 0.3 % have less than exp(-0.3) times the
# variance of blue in red, and of those 86 %, 96 % have it once red and blue are exchanged. Of batches of eight, none
# and all. `python -m training.evidence.senclip swapped_bands` measures it.
_LEAST_VARIATION = 4.0
_SWAPPED_RATIO = float(np.exp(-0.3))
# What [`SenCLIPImageProcessor.to_pictures`] may be told of an image.
IMAGE_OPTIONS = ("bands", "units", "nodata", "processing_baseline", "offset")


class SenCLIPImageProcessor(CLIPImageProcessorPil):
    """Prepare images as CLIP's processor does, with SenCLIP's mean and spread, and Sentinel-2 reflectance too.

    A call goes: bands by name to red, green and blue, no data and unit, stretch to 8 bits, crop, then CLIP's own
    resizing, centre crop and normalisation. Pictures of 8 bits are taken as they are. An image of any size and shape is
    scaled to the tower's size by its shorter side and cut to the square in its middle. Pixels without data become
    black, as they are in most products.

    Only what comes before the picture needs this class. [`to_clip`] gives the stock processor for everything after,
    which is what is published: a folder that needs no code of ours.

    Args:
        stretch: "fixed", the same for every image, from 0 to `white_reflectance`, as EuroSAT's pictures are; or
            "per_image", from each image's darkest to its brightest value, as SenCLIP was trained.
        white_reflectance: that becomes white in the fixed stretch.
        crop: pixels along a side that are kept in the middle of an image, before it is resized; None: all of it.
            SenCLIP was trained on 32 of 100, and evaluated on uncut images.
        **kwargs: of CLIP's image processor.

    Raises:
        ValueError: an unknown stretch, or a number that is not positive.
    """

    # Of the released code: OpenAI's spread, and the mean of Sentinel-2 pictures.
    image_mean = [0.347, 0.376, 0.296]
    image_std = [0.269, 0.261, 0.276]

    def __init__(
        self,
        stretch: str = "fixed",
        white_reflectance: float = WHITE_REFLECTANCE,
        crop: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if stretch not in STRETCHES:
            raise ValueError(f"`stretch` must be one of {', '.join(STRETCHES)}, got {stretch!r}.")
        if white_reflectance <= 0:
            raise ValueError(f"`white_reflectance` must be positive, got {white_reflectance}.")
        if crop is not None and crop < 1:
            raise ValueError(f"`crop` must be at least 1 pixel, or None for all of the image, got {crop}.")
        self.stretch, self.white_reflectance, self.crop = stretch, white_reflectance, crop

    @classmethod
    def for_clip(cls, clip: CLIPModel, **kwargs: Any) -> "SenCLIPImageProcessor":
        """Make a processor of the size that a CLIP's vision tower reads, with further arguments of this class."""
        side = clip.config.vision_config.image_size
        return cls(size={"shortest_edge": side}, crop_size={"height": side, "width": side}, **kwargs)

    def to_clip(self) -> CLIPImageProcessorPil:
        """Return the stock processor of 8-bit pictures, to the same pixel values.

        The crop alone it cannot do: like upstream's evaluation, it sees uncut images. The stretch and the crop stay in
        its configuration, where this class finds them again.
        """
        return CLIPImageProcessorPil(**{**self.to_dict(), "image_processor_type": "CLIPImageProcessor"})

    def preprocess(self, images: Any, *, input_data_format: str | None = None, **kwargs: Any) -> BatchFeature:
        """Prepare images as `pixel_values` (images, 3, height, width) float32, as a call of the processor does.

        Args:
            images: one, several in a list, or an array (images, height, width, bands): pictures of PIL, or arrays
                (height, width, bands) or (bands, height, width); 8-bit pictures, or reflectance or digital numbers.
            input_data_format: "channels_last" or "channels_first"; told from the shape when left out.
            **kwargs: options of [`to_pictures`], and of CLIP's image processor, such as `return_tensors`.

        Raises:
            ValueError: what is wrong with the images, in one sentence.
        """
        options = {name: kwargs.pop(name) for name in IMAGE_OPTIONS if name in kwargs}
        pictures = self.to_pictures(images, input_data_format=input_data_format, **options)
        return super().preprocess(pictures, input_data_format="channels_last", **kwargs)

    def to_pictures(
        self,
        images: Any,
        *,
        bands: Sequence[str] | None = None,
        units: str = "auto",
        nodata: float | None = None,
        processing_baseline: str | float | None = None,
        offset: float | None = None,
        input_data_format: str | None = None,
    ) -> list[np.ndarray]:
        """Make pictures for the eye, uint8 (height, width, 3) each: the processor resizes these.

        Args:
            images: one, several in a list, or an array (images, height, width, bands): pictures of PIL, or arrays
                (height, width, bands) or (bands, height, width); 8-bit pictures, or reflectance or digital numbers.
            bands: names of an array's bands, in any order and spelling; red, green and blue when left out.
            units: "dn" (reflectance times 10,000, plus the offset), "reflectance" (0 to 1), "percent", or "auto"; of no
                effect on 8-bit pictures, as are the three below.
            nodata: value that means "missing". Always missing: what is not finite, 65535, -9999, -32768, and a pixel
                that is 0 in every band.
            processing_baseline: of the product, such as "04.00" or "N0400"; from 04.00 on 1000 is subtracted.
            offset: subtracted from digital numbers; 1000 or 0 instead of a baseline.
            input_data_format: "channels_last" or "channels_first"; told from the shape when left out.

        Raises:
            ValueError: what is wrong with the images, in one sentence.
        """
        channels = _channels(bands)
        items = list(images) if isinstance(images, (list, tuple)) or getattr(images, "ndim", 3) == 4 else [images]
        if not items:
            raise ValueError("There is no image: give at least one.")
        options = SeriesOptions(nodata=nodata, units=units, processing_baseline=processing_baseline, offset=offset)
        pictures = []
        for index, item in enumerate(items):
            try:
                values = _bands_last(item, len(channels), bands is not None, input_data_format)[..., channels[:3]]
                pictures.append(self._crop(values if values.dtype == np.uint8 else self._stretch(values, options)))
            except ValueError as error:
                raise ValueError(f"Image {index}: {error}") from None
        # Bands that are named are believed: of single images one in some hundreds only seems swapped.
        if bands is None and seems_bgr(pictures):
            logger.warning_once(
                "The images vary more in their third channel than in their first: blue and red seem to be swapped, "
                "name the bands in their order (`bands=[...]`) or reverse the channels."
            )
        return pictures

    def _stretch(self, values: np.ndarray, options: SeriesOptions) -> np.ndarray:
        """Turn red, green and blue (height, width, 3) in any unit into an 8-bit picture."""
        if values.dtype.kind == "f":
            values = np.where(np.isfinite(values), values, np.nan)
        dn = to_digital_numbers(np.moveaxis(values, -1, 0)[None, None], None, RGB, options)
        reflectance = np.moveaxis(dn[0, 0], 0, -1) / DN_PER_REFLECTANCE
        if np.isnan(reflectance).all():
            raise ValueError("no pixel has data: leave the image out.")
        each = self.stretch == "per_image"
        return stretch_each(reflectance) if each else to_eight_bit(reflectance, self.white_reflectance)

    def _crop(self, picture: np.ndarray) -> np.ndarray:
        """Cut the square in the middle."""
        height, width = picture.shape[:2]
        side = self.crop
        if side is None:
            return picture
        if min(height, width) < side:
            raise ValueError(
                f"{height} x {width} pixels are smaller than the crop of {side}: give larger images, or a smaller "
                "`crop`."
            )
        top, left = (height - side) // 2, (width - side) // 2
        return picture[top : top + side, left : left + side]


def _channels(bands: Sequence[str] | None) -> list[int]:
    """Return the indices of red, green and blue among the bands, and after them those of all others."""
    if bands is None:
        return [0, 1, 2]
    names = distinct_bands(bands)
    absent = [name for name in RGB if name not in names]
    if absent:
        raise ValueError(f"The images lack {', '.join(absent)}: red, green and blue are {', '.join(RGB)}.")
    chosen = [names.index(name) for name in RGB]
    return chosen + [index for index in range(len(names)) if index not in chosen]


def _bands_last(item: Any, num_bands: int, named: bool, input_data_format: str | None) -> np.ndarray:
    """Return an image as numbers (height, width, bands)."""
    if isinstance(item, Image.Image):
        if item.mode.startswith(("I", "F")):
            raise ValueError(f"its mode is {item.mode}, of more than 8 bits: give its values as an array.")
        values, input_data_format = np.asarray(item.convert("RGB")), "channels_last"
    else:
        values = np.asarray(item.detach().cpu() if hasattr(item, "detach") else item)
    if values.dtype.kind not in "uif" or (values.dtype.itemsize == 1 and values.dtype != np.uint8):
        raise ValueError(f"its values are {values.dtype}: give 8-bit pictures, reflectance or digital numbers.")
    if input_data_format is None and values.ndim == 3:
        input_data_format = "channels_last" if values.shape[2] == num_bands else "channels_first"
    if input_data_format == "channels_first" and values.ndim == 3:
        values = np.moveaxis(values, 0, -1)
    if values.ndim != 3 or values.shape[2] != num_bands or not values.size:
        raise ValueError(
            f"its shape is {np.shape(item)}, which is no image of the {num_bands} bands that were named."
            if named
            else f"its shape is {np.shape(item)}, which is no image of red, green and blue: name its bands with "
            f"`bands=[...]`, such as {' '.join(BANDS[:3])}."
        )
    return values


def to_eight_bit(reflectance: np.ndarray, white: float = WHITE_REFLECTANCE) -> np.ndarray:
    """Turn RGB reflectance into the 8-bit picture of image models: linear, black at 0, clipped at `white`.

    The same stretch for every image keeps water dark and sand bright, as EuroSAT's pictures do.

    Args:
        reflectance: (..., 3) red, green and blue (B04, B03, B02), surface reflectance 0 to 1; NaN becomes black.
        white: reflectance that becomes 255.

    Raises:
        ValueError: no three colours, or values that are not reflectance.
    """
    values = np.asarray(reflectance, dtype=np.float32)
    if values.ndim < 1 or values.shape[-1] != 3:
        raise ValueError(f"`reflectance` must end in red, green and blue, got the shape {values.shape}.")
    if values.size and np.median(np.nan_to_num(values)) > PLAUSIBLE_REFLECTANCE[1]:
        raise ValueError(
            f"Values around {np.nanmedian(values):.4g} are not reflectance of 0 to 1: divide digital numbers by 10,000."
        )
    return np.asarray(np.rint(np.clip(np.nan_to_num(values) / white, 0, 1) * 255), dtype=np.uint8)


def stretch_each(image: np.ndarray) -> np.ndarray:
    """Stretch an image from its darkest to its brightest value, over all bands together, as SenCLIP's training did.

    Args:
        image: (height, width, 3) in any unit, all black where it is constant; NaN becomes black and sets no limit.
    """
    known = np.isfinite(image)
    low, high = image[known].min(), image[known].max()
    share = (np.where(known, image, low) - low) / max(high - low, np.finfo(np.float32).tiny)
    return np.asarray(np.rint(share * 255), dtype=np.uint8)


def seems_bgr(pictures: Sequence[np.ndarray]) -> bool:
    """Tell whether the first channel of Sentinel-2 pictures seems to be blue and the third red.

    Means do not tell: red is darker than blue over leaf and water, and through air, brighter over soil. What varies
    more within an image does. Pictures, uint8 (height, width, 3) each, without land in them are passed over.
    """
    variances = np.array([picture.reshape(-1, 3).var(axis=0) for picture in pictures])
    first, _, third = variances[variances[:, 1] >= _LEAST_VARIATION**2].sum(axis=0)
    return bool(first < _SWAPPED_RATIO * third)
