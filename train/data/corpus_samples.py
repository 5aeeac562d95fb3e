"""Corpora -> training samples: one of answers a record, one of readings a face.

Samples are numbered: first the answers of every corpus, then the readings. What is left out stands
in ``left_out`` under its reason, and nothing is left out otherwise.

Example: ``CorpusSamples(run, processor).sample(7)`` -> the eighth record, tokenised.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facellm.errors import FaceLLMError
from facellm.folders import default_data
from facellm.label_targets import TASK_OF_QUERY, readout_targets
from facellm.labels import ACTION_UNITS
from facellm.processor import IGNORE_INDEX, FaceLLMProcessor
from facellm.stored_readings import StoredReadings, face_key

from ..run_config import TrainRun
from ..sample import FaceImage, TrainingSample
from .conversing import NO_READING, Manner
from .echo import echo_labels
from .faces import FaceName, RecordFaces
from .pictures import Wanted
from .records import Records
from .selection import check_left_out, check_names, evenly, from_sources, telling
from .tokens import TokenTable, token_table

UNIT_QUERIES = frozenset(f"au{number}" for number in ACTION_UNITS)
TOO_LONG = "longer than max_tokens"
NO_TARGET = "face without a labelled query"
SEEN = "face that an earlier corpus reads"
NOT_LEARNED = "answers weigh 0"
SOURCE_OUT, TASK_OUT, BEYOND = "left-out source", "left-out task", "beyond the limit"
TELLS = "answer that may tell of a left-out task"


@dataclass(frozen=True)
class _Corpus:
    """One corpus and what was taken of it: records with answers, and records of new faces."""

    records: Records
    images: RecordFaces
    numbers: NDArray[np.int64]  # records whose answers the config wants
    tokens: TokenTable  # theirs
    answers: NDArray[np.int64]  # places in ``tokens`` that become samples
    faces: NDArray[np.int64]  # records whose face becomes a reading sample


class CorpusSamples:
    """Every sample of a run; see the module docstring.

    Args:
        run: Its ``data`` section says what is taken.
        processor: The product's.
        split: ``train``, ``valid`` or ``test``.

    Raises:
        FaceLLMError: If a corpus cannot be read, a record is not as it should be (file and id are
            named), what is left out is unknown or comes back another way (``selection``), or
            nothing is left: no sample, or under readings no answer.
    """

    def __init__(self, run: TrainRun, processor: FaceLLMProcessor, split: str = "train") -> None:
        self.run, self.processor = run, processor
        self.left_out: Counter[str] = Counter()
        tasks, data = set(TASK_OF_QUERY.values()), run.data
        self._teacher = StoredReadings.load(Path(data.teacher)) if data.teacher else None
        self._without = set(data.leave_out_tasks)
        self._without |= tasks - set(data.tasks) if data.tasks else set()
        self._seen: set[FaceName] = set()
        check_left_out(data)
        loaded = [Records.load(Path(folder), split) for folder in data.corpora]
        if split == "train":  # another split may lack a source
            check_names(data, loaded)
        self._corpora = [self._take(place, records) for place, records in enumerate(loaded)]
        answers = [corpus.answers for corpus in self._corpora]
        faces = [corpus.faces for corpus in self._corpora]
        self._parts = np.cumsum([0, *map(len, answers), *map(len, faces)])
        reading = len(processor.reading_ids())
        kept = [corpus.tokens.lengths[corpus.answers] for corpus in self._corpora]
        self.lengths = np.concatenate([*kept, np.full(sum(map(len, faces)), reading)])
        self._check_something_left(split, sum(map(len, answers)))

    def __len__(self) -> int:
        return len(self.lengths)

    def sample(self, number: int) -> TrainingSample:
        """Sample ``number``, from 0."""
        part = int(np.searchsorted(self._parts, number, side="right")) - 1
        index, count = number - int(self._parts[part]), len(self._corpora)
        return self._reading(part - count, index) if part >= count else self._answer(part, index)

    def face_key(self, image: FaceImage) -> str:
        """What a cache on disk knows a face by: its folder or, where embedded, its corpus."""
        if image.data is None:
            place = str(Path(self.run.data.pictures or default_data()).resolve())
        else:
            place = self._corpora[image.corpus].records.digest[:16]
        return f"{place}:{image.key.split(':', 1)[1]}"

    def faces(self) -> Iterator[tuple[str, Wanted]]:
        """Every face of the samples, by its key; a key may come again."""
        for corpus in self._corpora:
            records, last = corpus.records, ""
            for number in np.union1d(corpus.numbers[corpus.answers], corpus.faces).tolist():
                shown = records.columns["pictures"][number]
                path = shown[0]["path"].as_py() if len(shown) == 1 else ""
                if not path or path != last:  # records of one picture stand side by side
                    facts = records.facts(number)
                    for image in corpus.images.of(number, facts):
                        yield self.face_key(image), Wanted(facts.id, image)
                last = path

    def _check_something_left(self, split: str, answers: int) -> None:
        data = self.run.data
        told = "; ".join(f"{n} {why}" for why, n in self.left_out.items())
        if (
            split == "train"
            and self.run.losses.answer
            and not answers
            and self.left_out[NO_READING]
        ):
            raise FaceLLMError(
                f"{', '.join(data.corpora)}: no answer of {split} is left under context: reading "
                f"({told}); facellm build readings writes answers under readings, "
                "--set data.context=none learns them under the picture alone"
            )
        if not len(self.lengths):
            raise FaceLLMError(f"{', '.join(data.corpora)}: no sample of {split} is left; {told}")

    def _take(self, place: int, records: Records) -> _Corpus:
        chosen, images = self._selected(records), RecordFaces(records, place)
        silent = telling(records, chosen, self.run.data.leave_out_tasks)
        self._leave_out(TELLS, int(silent.sum()))
        numbers = chosen[~silent]
        data, learned = self.run.data, bool(self.run.losses.answer)
        if not learned:
            self._leave_out(NOT_LEARNED, len(numbers))
        tokens = token_table(
            records,
            numbers if learned else numbers[:0],
            self.processor,
            Manner(data.context == "reading", data.echo),
        )
        for reason, count in Counter(tokens.reasons[tokens.reasons != ""].tolist()).items():
            self._leave_out(reason, count)
        self._leave_out(TOO_LONG, int((tokens.lengths > data.max_tokens).sum()))
        kept = np.flatnonzero((tokens.lengths > 0) & (tokens.lengths <= data.max_tokens))
        faces = self._new_faces(images, chosen) if data.readouts else chosen[:0]
        return _Corpus(records, images, numbers, tokens, kept, faces)

    def _selected(self, records: Records) -> NDArray[np.int64]:
        """Records that the config wants, rising; a limit takes them evenly from the whole."""
        data = self.run.data
        tasks = np.array(records.columns["task"].to_pylist())
        other = from_sources(records, data.leave_out_sources)
        unwanted = np.isin(tasks, data.leave_out_tasks)
        if data.tasks:
            unwanted |= ~np.isin(tasks, data.tasks)
        self._leave_out(SOURCE_OUT, int(other.sum()))
        self._leave_out(TASK_OUT, int((unwanted & ~other).sum()))
        numbers = np.flatnonzero(~other & ~unwanted)
        taken = evenly(numbers, data.limit)
        self._leave_out(BEYOND, len(numbers) - len(taken))
        return taken

    def _new_faces(self, images: RecordFaces, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """The first record with a target of every face that stands alone in its picture.

        A face that an earlier corpus reads (by path and box) is not taken again.
        """
        found: dict[FaceName, int] = {}
        names: dict[FaceName, None] = {}
        for number, name in images.alone(numbers):
            names[name] = None
            taken = name in found or name in self._seen
            if not taken and self._targets(images.records, number):
                found[name] = number
        seen = sum(name in self._seen for name in names)
        self._leave_out(SEEN, seen)
        self._leave_out(NO_TARGET, len(names) - seen - len(found))
        if len(self.processor.reading_ids()) > self.run.data.max_tokens:
            self._leave_out(TOO_LONG, len(found))
            found = {}
        self._seen |= found.keys()
        return np.array(list(found.values()), np.int64)

    def _targets(self, records: Records, number: int) -> dict[str, NDArray[np.float32]]:
        """What a face is labelled with; what it is not, as the teacher read it."""
        try:
            labelled = readout_targets(records.labels(number), self._without)
        except (FaceLLMError, TypeError, ValueError) as error:
            raise FaceLLMError(f"{records.where(number)}: {error}") from error
        key = face_key(records.columns["pictures"][number][0]["path"].as_py(), 0)
        if self._teacher is None or key not in self._teacher.places:
            return labelled
        taught = {
            query: shares
            for query, shares in self._teacher.distributions(key).items()
            if TASK_OF_QUERY[query] not in self._without
        }
        kept = {query: shares for query, shares in labelled.items() if query not in UNIT_QUERIES}
        return {**taught, **kept}

    def _leave_out(self, reason: str, count: int) -> None:
        if count:
            self.left_out[reason] += count

    def _answer(self, part: int, index: int) -> TrainingSample:
        corpus = self._corpora[part]
        place = int(corpus.answers[index])
        number = int(corpus.numbers[place])
        facts, ids = corpus.records.facts(number), corpus.tokens.of(place)
        labels = self.processor.answer_labels(ids)
        if self.run.data.echo:
            labels = echo_labels(ids, labels, self.processor)
        return TrainingSample(
            id=facts.id,
            input_ids=ids,
            labels=labels,
            images=tuple(corpus.images.of(number, facts)),
            task=facts.task,
            source=facts.source,
            subject=facts.labels.get("subject"),
            labelled=facts.labels,
        )

    def _reading(self, part: int, index: int) -> TrainingSample:
        corpus = self._corpora[part]
        number = int(corpus.faces[index])
        facts, ids = corpus.records.facts(number), self.processor.reading_ids()
        return TrainingSample(
            id=f"{facts.id.removesuffix('/' + facts.task)}/reading",
            input_ids=ids,
            labels=[IGNORE_INDEX] * len(ids),
            images=tuple(corpus.images.of(number, facts)),
            readouts=self._targets(corpus.records, number),
            task=facts.task,
            source=facts.source,
            subject=facts.labels.get("subject"),
            labelled=facts.labels,
        )
