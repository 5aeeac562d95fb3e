"""What a trained model's readouts are worth on held-out faces, face by face, to be paired.

Example: ``readout_scores(model, stream)`` -> ``{"expression": {"ferplus/12/reading": 1.0, ...},
"age": {...}}``.

| metric | of a face | it is |
| --- | --- | --- |
| expression | with one most voted expression | 1.0 where that is the most likely one, else 0.0 |
| votes | with an expression target | KL(target, readout), nats |
| age | with an age | distance of the expectations, years |
| gender, mask, fake | labelled | 1.0 where right, else 0.0 |
| units | with a labelled action unit | mean distance of the expected levels, 0 to 5 |
| attention | with a unit that is present | cosine of FRGCA's attention with its regions |

Legend: as in ``sample``; M labels of a query.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean

import torch
from torch import Tensor

from facellm.labels import QUERIES
from facellm.model import FaceLLMForConditionalGeneration
from facellm.processor import FaceLLMProcessor

from .loop.job import Stream
from .objectives.au_attention import unit_cosines
from .objectives.faces import first_faces, sample_at
from .sample import Forwarded, TrainBatch
from .trainee import Trainee

Scores = Mapping[str, Mapping[str, float]]  # metric -> sample id -> value
HIGHER_IS_BETTER = {
    "expression": True,
    "votes": False,
    "age": False,
    "gender": True,
    "mask": True,
    "fake": True,
    "units": False,
    "attention": True,
}


@torch.no_grad()
def readout_scores(
    model: FaceLLMForConditionalGeneration, processor: FaceLLMProcessor, stream: Stream
) -> Scores:
    """Score every reading sample of one pass over a stream.

    Args:
        model: As trained; evaluation mode is set.
        processor: Its processor.
        stream: Of a held-out split; a sample that comes twice counts once.
    """
    trainee = Trainee(model, []).eval()
    found: dict[str, dict[str, dict[str, float]]] = {}
    for step in range(stream.steps_per_epoch):
        for batch in stream.micro_batches(step):
            out = trainee.run(batch)
            for sample, cosine in _attention(trainee, batch, out).items():
                found.setdefault("attention", {})[sample] = {"": cosine}
            for sample, shares in _said(out, processor, batch).items():
                for query, (target, said) in shares.items():
                    for metric, value in _values(query, target, said).items():
                        found.setdefault(metric, {}).setdefault(sample, {})[query] = value
    return {
        metric: {sample: fmean(values.values()) for sample, values in samples.items()}
        for metric, samples in found.items()
    }


def _attention(trainee: Trainee, batch: TrainBatch, out: Forwarded) -> dict[str, float]:
    """Sample id -> cosine, of the samples whose face counts (``au_attention``)."""
    faces, cosines = unit_cosines(trainee.model, batch, out.patches)
    holders = dict(zip(first_faces(batch), batch.samples, strict=True))
    pairs = zip(faces.tolist(), cosines.tolist(), strict=True)
    return {holders[face].id: cosine for face, cosine in pairs}


def _said(
    out: Forwarded, processor: FaceLLMProcessor, batch: TrainBatch
) -> dict[str, dict[str, tuple[Tensor, Tensor]]]:
    """Sample id -> query -> target (M,) and log-probabilities (M,)."""
    if batch.readout_at is None or batch.readout_targets is None:
        return {}
    rows, places, queries = batch.readout_at.unbind(1)
    holders = sample_at(batch, rows, places)
    said: dict[str, dict[str, tuple[Tensor, Tensor]]] = {}
    for number, holder in enumerate(holders):
        index = int(queries[number])
        ids = processor.label_ids[index]
        logits = out.hidden[rows[number], places[number]] @ out.output_weight[ids].T
        target = batch.readout_targets[number, : len(ids)]
        name = batch.samples[holder].id
        said.setdefault(name, {})[QUERIES[index].name] = target, logits.float().log_softmax(-1)
    return said


def _values(query: str, target: Tensor, said: Tensor) -> dict[str, float]:
    """Metrics of one readout."""
    grid = torch.arange(len(target), dtype=torch.float32)
    distance = float((grid @ (said.exp() - target)).abs())
    right = float(said.argmax() == target.argmax())
    if query == "expr":
        clear = int((target == target.max()).sum()) == 1
        seen = target > 0
        divergence = float((target[seen] * (target[seen].log() - said[seen])).sum())
        return {"votes": divergence, **({"expression": right} if clear else {})}
    if query == "age":
        return {"age": distance}
    if query.startswith("au"):
        return {"units": distance}
    return {query: right} if query in HIGHER_IS_BETTER else {}
