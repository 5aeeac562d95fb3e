"""Readouts through vLLM: a whole reading comes out of one prefill as one token's log-probabilities.

vLLM hands out log-probabilities of the next token only, while a reading is the distributions at all
Q query tokens that end the reading prompt. So where a prompt ends in those tokens, the model's last
row of logits is replaced by a table: entry k is the log-probability of the k-th label, all queries'
labels one after the other, each query's labels normalised among themselves as in
``model.readouts``. The other entries are minus infinity. Whoever asks for as many ``logprobs`` as
there are labels gets exactly the table, each query with a mass of 1 / Q.

Legend: T tokens of a batch, B rows, D width, V vocabulary, Q queries, K labels of all queries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


class ReadoutTable:
    """Finds reading prompts in a batch and writes their tables.

    Args:
        query_ids: Q token ids that end a reading prompt, in order.
        label_ids: Q tensors of label token ids.
    """

    def __init__(self, query_ids: Sequence[int], label_ids: Sequence[Tensor]) -> None:
        self.queries = torch.tensor(list(query_ids))
        self.labels = [ids.clone() for ids in label_ids]
        self.size = sum(len(ids) for ids in label_ids)
        self._rows: Tensor | None = None  # (N, Q, D)

    def watch(self, input_ids: Tensor | None, hidden: Tensor) -> None:
        """Remember the query tokens' hidden states of every reading prompt of a step.

        Args:
            input_ids: (T,) tokens of all requests, one after the other.
            hidden: (T', D), T' <= T without padding; the language model's last hidden states.
        """
        self._rows = None
        count = len(self.queries)
        if input_ids is None or len(input_ids) < count or capturing(hidden):
            return
        if self.queries.device != input_ids.device:
            self.queries = self.queries.to(input_ids.device)
            self.labels = [ids.to(input_ids.device) for ids in self.labels]
        windows = input_ids[: len(hidden)].unfold(0, count, 1)  # (T - Q + 1, Q)
        starts = (windows == self.queries).all(1).nonzero()
        if len(starts):
            places = starts + torch.arange(count, device=starts.device)
            self._rows = hidden[places]

    def logits(self, hidden: Tensor, head: Callable[[Tensor], Tensor | None]) -> Tensor | None:
        """Logits of the rows that are sampled from, tables in the place of reading prompts' rows.

        Args:
            hidden: (B, D).
            head: Output embeddings, (B, D) -> (B, V); None on ranks that do not sample.

        Returns:
            (B, V), float32 where a table is in it: bfloat16 would round the log-probabilities.
        """
        rows, self._rows = self._rows, None
        if rows is None:
            return head(hidden)
        both = head(torch.cat((hidden, rows.flatten(0, 1))))
        if both is None:
            return None
        logits = both[: len(hidden)].float()
        tables = self.tables(both[len(hidden) :].unflatten(0, rows.shape[:2]))
        # A row is known by its hidden state: the runner alone knows which token it belongs to.
        same = (hidden[:, None] == rows[None, :, -1]).all(-1)  # (B, N)
        found = same.any(1)
        logits[found] = -torch.inf
        logits[:, : self.size][found] = tables[same[found].int().argmax(1)]
        return logits

    def tables(self, logits: Tensor) -> Tensor:
        """(N, Q, V) logits at the query tokens -> (N, K) log-probabilities, float32."""
        found = [
            logits[:, index, ids].float().log_softmax(-1) for index, ids in enumerate(self.labels)
        ]
        return torch.cat(found, 1)


def capturing(hidden: Tensor) -> bool:
    """Whether a CUDA graph is being recorded: of decoding steps only, and nothing may be asked."""
    return hidden.is_cuda and torch.cuda.is_current_stream_capturing()
