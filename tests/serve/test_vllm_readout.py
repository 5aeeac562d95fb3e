"""A reading in one token's log-probabilities: the table that vLLM's model writes."""

import math

import pytest
import torch

from facellm.labels import QUERIES
from facellm.serve.vllm_readout import ReadoutTable
from facellm.serve.vllm_requests import N_LABELS, reading_tables

WIDTH, VOCABULARY = 16, 1000
QUERY_IDS = list(range(100, 100 + len(QUERIES)))
LABEL_IDS = [torch.arange(200, 200 + len(query.labels)) for query in QUERIES]


@pytest.fixture
def head():
    weight = torch.randn(VOCABULARY, WIDTH, generator=torch.Generator().manual_seed(0))
    return lambda hidden: hidden @ weight.T


def batch(*requests: list[int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Tokens of requests one after the other, hidden states, and places that are sampled from."""
    ids = torch.tensor([token for request in requests for token in request])
    hidden = torch.randn(len(ids), WIDTH, generator=torch.Generator().manual_seed(1))
    lengths = torch.tensor([len(request) for request in requests])
    return ids, hidden, lengths.cumsum(0) - 1


def answer(row: torch.Tensor) -> dict:
    """A row of logits as vLLM's sampler and HTTP server hand it out."""
    best = row.log_softmax(-1).topk(N_LABELS)
    pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    entries = [{"token_id": index, "logprob": value} for index, value in pairs]
    return {"choices": [{"logprobs": {"content": [{"top_logprobs": entries}]}}]}


def test_each_reading_of_a_batch_gets_its_own_table_and_other_rows_keep_their_logits(head):
    ids, hidden, last = batch([5, 6, 7], [9, 4, *QUERY_IDS], [1, 2], [9, 4, *QUERY_IDS])
    table = ReadoutTable(QUERY_IDS, LABEL_IDS)
    table.watch(ids, hidden)
    logits = table.logits(hidden[last], head)
    for row in (0, 2):
        assert torch.equal(logits[row], head(hidden[last])[row])
    for row, end in ((1, int(last[1])), (3, int(last[3]))):
        states = hidden[end + 1 - len(QUERIES) : end + 1]
        found = reading_tables(answer(logits[row]))
        for index, got in enumerate(found):
            wanted = head(states[index])[LABEL_IDS[index]].log_softmax(-1)
            assert torch.allclose(torch.from_numpy(got), wanted, atol=1e-5)
    assert not torch.equal(logits[1], logits[3])


def test_a_table_is_float32_where_the_model_is_not(head):
    ids, hidden, last = batch([9, 4, *QUERY_IDS])
    table = ReadoutTable(QUERY_IDS, LABEL_IDS)
    table.watch(ids, hidden.bfloat16())
    logits = table.logits(hidden.bfloat16()[last], lambda h: head(h.float()).bfloat16())
    assert logits.dtype == torch.float32
    mass = logits[0].exp().sum()
    assert math.isclose(float(mass), len(QUERIES), rel_tol=1e-4)


def test_a_step_is_forgotten_after_it(head):
    ids, hidden, last = batch([9, 4, *QUERY_IDS])
    table = ReadoutTable(QUERY_IDS, LABEL_IDS)
    table.watch(ids, hidden)
    table.logits(hidden[last], head)
    assert torch.equal(table.logits(hidden[last], head), head(hidden[last]))


@pytest.mark.parametrize("ids", [[9, 4, *QUERY_IDS[:-1]], [9, 4, *QUERY_IDS[1:]], [9, 4], [3]])
def test_a_prompt_in_pieces_is_no_reading(head, ids):
    tokens, hidden, last = batch(ids)
    table = ReadoutTable(QUERY_IDS, LABEL_IDS)
    table.watch(tokens, hidden)
    assert torch.equal(table.logits(hidden[last], head), head(hidden[last]))


def test_padding_behind_a_batch_does_no_harm(head):
    ids, hidden, last = batch([9, 4, *QUERY_IDS])
    table = ReadoutTable(QUERY_IDS, LABEL_IDS)
    table.watch(torch.cat((ids, torch.zeros(5, dtype=ids.dtype))), hidden)
    assert reading_tables(answer(table.logits(hidden[last], head)[0]))


def test_a_rank_that_does_not_sample_gives_nothing():
    ids, hidden, last = batch([9, 4, *QUERY_IDS])
    table = ReadoutTable(QUERY_IDS, LABEL_IDS)
    table.watch(ids, hidden)
    assert table.logits(hidden[last], lambda _: None) is None
    table.watch(None, hidden)
    assert table.logits(hidden[last], lambda _: None) is None
