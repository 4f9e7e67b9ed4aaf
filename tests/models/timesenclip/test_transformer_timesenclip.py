import torch
from hypothesis import given
from hypothesis import strategies as st

from timesenclip_hf import TimeSenCLIPPixelConfig
from timesenclip_hf.models.timesenclip.transformer_timesenclip import (
    TimeSenCLIPPixelEmbeddings,
    month_shares,
    neighbouring_months,
)

# A subnormal number of months may become the end of the month before, with the share 1: the same place of the year.
MONTHS = st.lists(st.floats(-60, 60, width=32, allow_subnormal=False), min_size=1, max_size=20)


@given(months=MONTHS, num_months=st.sampled_from([1, 4, 12]))
def test_a_month_lies_between_its_neighbours_on_the_circle_of_the_year(months, num_months):
    months = torch.tensor(months)
    earlier, later, fraction = neighbouring_months(months, num_months)
    assert ((fraction >= 0) & (fraction < 1)).all()
    assert torch.equal(earlier, earlier.floor())
    assert ((earlier >= 0) & (earlier < num_months)).all()
    assert torch.equal(later, (earlier + 1) % num_months)
    apart = (earlier.double() + fraction.double() - months.double()) % num_months
    assert torch.minimum(apart, num_months - apart).max() < 1e-5


@given(months=MONTHS, num_months=st.sampled_from([1, 4, 12]))
def test_the_shares_of_the_positions_sum_to_one_and_give_what_the_embeddings_take(months, num_months):
    months = torch.tensor([months])
    shares = month_shares(months, num_months)
    assert shares.shape == (1, months.shape[1], num_months)
    torch.testing.assert_close(shares.sum(dim=2), torch.ones_like(months))
    embeddings = TimeSenCLIPPixelEmbeddings(TimeSenCLIPPixelConfig(hidden_size=8, num_months=num_months))
    with torch.no_grad():
        torch.nn.init.normal_(embeddings.position_embedding)
        torch.testing.assert_close(shares @ embeddings.position_embedding, embeddings._positions(months))


def test_integers_are_the_positions_themselves():
    assert torch.equal(month_shares(torch.arange(-12.0, 24), 12), torch.eye(12).repeat(3, 1))
    assert month_shares(torch.tensor([11.75]), 12)[0].tolist() == [0.75, *[0.0] * 10, 0.25]
