"""Answer and readout losses against values computed by hand, and the switches between them."""

import copy
import math

import numpy as np
import pytest
import torch
from loss_toys import batch_of, forwarded, reading_sample, setting_of
from torch.nn import functional as F

from facellm.checkpoint import load_checkpoint
from facellm.errors import FaceLLMError
from facellm.labels import QUERIES, QUERY_INDEX
from facellm.strict_yaml import read_yaml
from facellm.train.objectives import OBJECTIVES, objectives_of
from facellm.train.objectives.answer import AnswerLoss
from facellm.train.objectives.readout import QUERY_WEIGHTS, ReadoutLoss
from facellm.train.run_losses import LossesConfig, TokenWeights
from facellm.train.sample import Forwarded, TrainBatch, TrainingSample
from facellm.train.trainee import Trainee

VOTES = (0.5, 0.3, 0.2, 0, 0, 0, 0, 0)
WIDTH = 8


@pytest.fixture(scope="module")
def toy(tiny_checkpoint):
    return load_checkpoint(tiny_checkpoint)


def uniform(batch, vocabulary):
    """A model that knows nothing: every logit 0."""
    rows, length = batch.input_ids.shape
    return Forwarded(torch.zeros(rows, length, WIDTH), torch.randn(vocabulary, WIDTH))


def answer_sample(processor, places):
    ids = [7] * 12
    labels = [9 if place in places else -100 for place in range(12)]
    return TrainingSample(id="answer", input_ids=ids, labels=labels)


def test_a_model_that_knows_nothing_pays_log_v_for_an_answer_token(toy):
    batch = batch_of(toy.processor, [answer_sample(toy.processor, {5, 6, 11})])
    loss = AnswerLoss(setting_of(toy))(batch, uniform(batch, 321))
    assert float(loss) == pytest.approx(math.log(321), abs=1e-5)


def test_only_answer_positions_count_each_predicted_from_the_place_before(toy):
    torch.manual_seed(0)
    batch = batch_of(toy.processor, [answer_sample(toy.processor, {5, 11})])
    hidden, table = torch.randn(1, 12, WIDTH), torch.randn(50, WIDTH)
    expected = F.cross_entropy(hidden[0, [4, 10]] @ table.T, torch.tensor([9, 9]))
    loss = AnswerLoss(setting_of(toy))
    assert float(loss(batch, Forwarded(hidden, table))) == pytest.approx(float(expected))
    others = [place for place in range(12) if place not in (4, 10)]
    hidden[0, others] = 1e3
    assert float(loss(batch, Forwarded(hidden, table))) == pytest.approx(float(expected))


def test_a_batch_without_answers_or_targets_has_no_loss(toy):
    batch = batch_of(toy.processor, [reading_sample(toy.processor, "a")])
    assert AnswerLoss(setting_of(toy))(batch, uniform(batch, 9)) is None
    assert ReadoutLoss(setting_of(toy))(batch, uniform(batch, 9)) is None


def test_a_readout_that_knows_nothing_pays_log_of_its_labels(toy):
    sample = reading_sample(toy.processor, "a", expr=VOTES, gender=(0, 1))
    batch = batch_of(toy.processor, [sample])
    loss = ReadoutLoss(setting_of(toy))(batch, uniform(batch, len(toy.processor.tokenizer)))
    expected = QUERY_WEIGHTS["expr"] * math.log(8) + QUERY_WEIGHTS["gender"] * math.log(2)
    assert float(loss) == pytest.approx(expected, abs=1e-5)


def by_hand(out, batch, place, target, ids):
    """Cross-entropy of one query, in Python."""
    logits = [float(out.hidden[0, place] @ out.output_weight[i]) for i in ids]
    top = max(logits)
    total = top + math.log(sum(math.exp(value - top) for value in logits))
    return -sum(share * (value - total) for share, value in zip(target, logits, strict=True))


@pytest.mark.parametrize(("soft", "target"), [(True, VOTES), (False, (1, *[0] * 7))])
def test_soft_targets_learn_the_votes_hard_ones_their_majority(toy, soft, target):
    torch.manual_seed(1)
    batch = batch_of(toy.processor, [reading_sample(toy.processor, "a", expr=VOTES)])
    out = uniform(batch, len(toy.processor.tokenizer))
    out.hidden = torch.randn_like(out.hidden)
    index = QUERY_INDEX["expr"]
    place = batch.input_ids.shape[1] - len(QUERIES) + index
    hand = by_hand(out, batch, place, target, toy.processor.label_ids[index].tolist())
    loss = ReadoutLoss(setting_of(toy, soft_targets=soft))(batch, out)
    assert float(loss) == pytest.approx(QUERY_WEIGHTS["expr"] * hand, rel=1e-5)


def test_unlabelled_queries_do_not_count_and_a_mean_is_over_labelled_faces(toy):
    torch.manual_seed(2)
    labelled = reading_sample(toy.processor, "a", expr=VOTES)
    other = reading_sample(toy.processor, "b", gender=(1, 0))
    both = batch_of(toy.processor, [labelled, other])
    out = uniform(both, len(toy.processor.tokenizer))
    out.hidden = torch.randn_like(out.hidden)
    loss = ReadoutLoss(setting_of(toy))
    alone = [
        loss(batch_of(toy.processor, [s]), Forwarded(out.hidden[i : i + 1], out.output_weight))
        for i, s in enumerate((labelled, other))
    ]
    assert float(loss(both, out)) == pytest.approx(float(sum(alone)), rel=1e-6)
    moved = out.hidden.clone()
    moved[1, -len(QUERIES) + QUERY_INDEX["expr"]] = 50.0  # b has no expression
    assert float(loss(both, Forwarded(moved, out.output_weight))) == float(loss(both, out))


def test_the_readout_reaches_the_visual_tokens(toy):
    batch = batch_of(toy.processor, [reading_sample(toy.processor, "a", expr=VOTES)])
    out = forwarded(toy.model, batch)
    out.visual.retain_grad()
    ReadoutLoss(setting_of(toy))(batch, out).backward()
    assert float(out.visual.grad.abs().max()) > 0
    toy.model.zero_grad()


def one_step(checkpoint, batch, objectives):
    """Loss and weights after a step, from the checkpoint's weights."""
    model = copy.deepcopy(checkpoint.model)
    trainee = Trainee(model, objectives)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = trainee(batch)
    losses["total"].backward()
    optimizer.step()
    return losses["total"].detach(), model.state_dict()


@pytest.mark.parametrize("name", ["neighbourhood", "identity_adversary", "au_attention"])
def test_an_objective_of_weight_0_is_bit_for_bit_no_objective(toy, name):
    batch = batch_of(
        toy.processor,
        [reading_sample(toy.processor, "a", subject="p", expr=VOTES, au12=(0, 0, 0, 1, 0, 0))],
        landmarks=torch.rand(1, 68, 2, generator=torch.Generator().manual_seed(3)),
    )
    plain = setting_of(toy)
    by_name = [(ReadoutLoss(plain), 1.0)]
    switched = [
        pair for pair in objectives_of(setting_of(toy, **{name: 0.0})) if pair[0].name != "answer"
    ]
    assert [objective.name for objective, _ in switched] == ["readout"]
    expected, found = one_step(toy, batch, by_name), one_step(toy, batch, switched)
    assert torch.equal(expected[0], found[0])
    assert all(torch.equal(expected[1][key], found[1][key]) for key in expected[1])
    on = objectives_of(setting_of(toy, **{name: 0.5}))
    assert [objective.name for objective, _ in on] == ["answer", "readout", name]


def test_building_every_objective_draws_no_random_number(toy):
    before = torch.get_rng_state()
    weights = dict.fromkeys(OBJECTIVES, 1.0)
    built = objectives_of(setting_of(toy, **weights))
    assert [objective.name for objective, _ in built] == list(OBJECTIVES)
    assert torch.equal(before, torch.get_rng_state())


def test_every_weight_of_the_config_names_an_objective():
    assert list(LossesConfig().weights) == list(OBJECTIVES)


def test_losses_that_teach_nothing_are_refused_with_file_and_line(tmp_path):
    path = tmp_path / "losses.yaml"
    path.write_text("answer: 0.0\nreadout: 0.0\nsoft_targets: true\n")
    with pytest.raises(FaceLLMError, match=r"losses\.yaml:1: every loss weighs 0"):
        read_yaml(path, LossesConfig)
    path.write_text("readout: -1.0\n")
    with pytest.raises(FaceLLMError, match=r"weight of readout, -1\.0, is below 0"):
        read_yaml(path, LossesConfig)
    path.write_text("soft_target: false\n")
    with pytest.raises(FaceLLMError, match="did you mean 'soft_targets'"):
        read_yaml(path, LossesConfig)


def test_targets_are_distributions_of_their_own_queries_length(toy):
    """Zeros beyond a query's labels must not weigh in: two labels among 117 columns."""
    sample = reading_sample(toy.processor, "a", gender=(0.25, 0.75))
    batch = batch_of(toy.processor, [sample])
    assert isinstance(batch, TrainBatch)
    assert np.isclose(float(batch.readout_targets.sum()), 1)
    loss = ReadoutLoss(setting_of(toy))(batch, uniform(batch, len(toy.processor.tokenizer)))
    assert float(loss) == pytest.approx(QUERY_WEIGHTS["gender"] * math.log(2), abs=1e-5)


def test_kinds_of_tokens_count_as_often_as_the_run_says(toy):
    vocabulary = toy.processor.tokenizer.get_vocab()
    words = ("<p_90>", "<expr_fear>", "<ask_age>", "<|end|>")
    ids = [vocabulary[word] for word in words]
    sample = TrainingSample(id="a", input_ids=[7, *ids], labels=[-100, *ids])
    batch = batch_of(toy.processor, [sample])
    torch.manual_seed(0)
    hidden, table = torch.randn(1, 5, WIDTH), torch.randn(len(vocabulary), WIDTH)
    each = F.cross_entropy(hidden[0, :4] @ table.T, torch.tensor(ids), reduction="none")
    weights = torch.tensor([3.0, 6.0, 5.0, 1.0])
    loss = AnswerLoss(setting_of(toy, tokens=TokenWeights(values=3, names=6, intents=5)))
    expected = (weights * each).sum() / weights.sum()
    assert float(loss(batch, Forwarded(hidden, table))) == pytest.approx(float(expected))
    assert loss.amounts(batch).tolist() == [15.0]


def test_a_token_that_would_not_count_is_refused():
    with pytest.raises(ValueError, match=r"tokens\.values 0\.0 is not above 0"):
        TokenWeights(values=0.0)
