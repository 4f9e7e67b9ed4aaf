import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from timesenclip_hf import TimeSenCLIPFeatureExtractor
from timesenclip_hf.data.collate import SeriesRows
from timesenclip_hf.data.schema import MISSING
from timesenclip_hf.data.sources.arrays import dataset_from_series

EXTRACT = TimeSenCLIPFeatureExtractor()


def make(shape=(50, 12, 10)) -> tuple[np.ndarray, object]:
    random = np.random.default_rng(0)
    series = random.integers(-300, 9000, shape)
    series[random.random(shape[:2]) < 0.2] = MISSING
    return series, dataset_from_series(series, {"land_cover": np.arange(len(series)) % 8})


@pytest.mark.parametrize("shape", [(50, 12, 10), (6, 12, 10, 3, 3)])
def test_batches_are_what_the_feature_extractor_makes_of_the_rows(shape):
    series, dataset = make(shape)
    rows = [4, 1, 5]
    batch = SeriesRows(dataset, EXTRACT, ["land_cover"]).__getitems__(rows)
    expected = EXTRACT(series[rows], units="dn", return_tensors="pt")
    assert batch["land_cover"].tolist() == rows
    for name in ("series_mask", "months", "pixel_series"):
        assert batch[name].dtype == expected[name].dtype
        # Below zero reflectance counts as zero in datasets; the scaling clamps both to 0.
        torch.testing.assert_close(batch[name], expected[name], rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", [(6, 12, 10), (6, 12, 10, 3, 3)])
def test_bands_come_in_the_order_of_the_checkpoint_with_its_scaling(shape):
    _, dataset = make(shape)
    order = [9, 0, 3, 1, 2, 4, 5, 6, 7, 8]
    names = ("band_names", "band_low", "band_scale")
    other = TimeSenCLIPFeatureExtractor(**{name: [getattr(EXTRACT, name)[place] for place in order] for name in names})
    own, reordered = (SeriesRows(dataset, extractor).__getitems__([2, 0]) for extractor in (EXTRACT, other))
    torch.testing.assert_close(reordered["pixel_series"], own["pixel_series"][:, :, order], rtol=0, atol=1e-6)


def test_a_loader_hands_out_every_row_once_in_shuffled_batches():
    _, dataset = make()
    rows = SeriesRows(dataset.add_column("place", list(range(50))), EXTRACT, ["place"])
    loader = DataLoader(rows, batch_size=16, shuffle=True, collate_fn=lambda batch: batch)
    batches = list(loader)
    assert [len(batch["series_mask"]) for batch in batches] == [16, 16, 16, 2]
    places = torch.cat([batch["place"] for batch in batches]).tolist()
    assert sorted(places) == list(range(50)) != places


def test_selected_and_shuffled_datasets_keep_their_rows():
    _, dataset = make()
    shuffled = dataset.shuffle(seed=1)
    first, second = SeriesRows(shuffled, EXTRACT), SeriesRows(dataset, EXTRACT)
    order = [dataset["point_id"][:].index(one) for one in shuffled["point_id"][:]]
    torch.testing.assert_close(first.__getitems__(range(50)), second.__getitems__(order))
    assert first[3]["pixel_series"].shape == (12, 10)


def test_changing_a_batch_changes_no_row():
    _, dataset = make()
    rows = SeriesRows(dataset, EXTRACT)
    before = rows.__getitems__([0])["pixel_series"].clone()
    rows.__getitems__([0])["pixel_series"].zero_()
    torch.testing.assert_close(rows.__getitems__([0])["pixel_series"], before)


def test_a_column_that_is_missing_is_named():
    _, dataset = make()
    with pytest.raises(ValueError, match="no column 'tree': its columns are point_id"):
        SeriesRows(dataset, EXTRACT, ["tree"])


def test_native_acquisitions_are_refused():
    series = np.random.default_rng(0).integers(100, 900, (1, 3, 10))
    dataset = dataset_from_series(series, dates=["2018-01-01", "2018-02-01", "2018-03-01"], composite="none")
    with pytest.raises(ValueError, match="differ in length"):
        SeriesRows(dataset, EXTRACT)
