"""The sections of a training run: frozen dataclasses, read from YAML by ``run_config``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class ModelConfig:
    """What is trained. One of ``start``, ``vision`` with ``language``, and ``tokenizer``.

    Attributes:
        start: Folder or hub id of a FaceLLM model (``save_pretrained`` or a checkpoint of ours), or
            ``shipped``. It goes before ``vision`` and ``language``, which then say what it was once
            joined from.
        vision: Folder or hub id of a CLIP or SigLIP model, joined with ``language``.
        language: Folder or hub id of a causal language model.
        tokenizer: Folder of a tokenizer: the default's own small architecture, random weights.
        encoder: Folder of a run of the stage ``encoder``: its tower and FRGCA take the place of the
            model's, which must be of the default's architecture.
        region_position: Place of FRGCA in a joined model (``FaceLLMConfig.region_position``).
        keep_cls: Keep CLIP's class token in a joined model.
        dtype: Of frozen weights; what is trained is kept in float32 (DeepSpeed: as it decides).
        adapter: What becomes of an adapter in ``start``: ``merge`` it, or ``continue`` training it
            (``lora`` must be as it was).
    """

    start: str = ""
    vision: str = ""
    language: str = ""
    tokenizer: str = ""
    encoder: str = ""
    region_position: Literal["tower", "projected"] = "projected"
    keep_cls: bool = True
    dtype: Literal["float32", "bfloat16"] = "float32"
    adapter: Literal["merge", "continue"] = "merge"

    def __post_init__(self) -> None:
        if bool(self.vision) != bool(self.language):
            raise ValueError("vision and language are given together")
        ways = [way for way in (self.start or self.vision, self.tokenizer) if way]
        if len(ways) != 1:
            raise ValueError(
                f"{len(ways)} of start, vision with language, and tokenizer are given: give one"
            )


@dataclass(frozen=True)
class DataConfig:
    """What it is trained on.

    Attributes:
        corpora: Folders written by ``facellm build``.
        pictures: Folder that the pictures' paths in the corpora start from.
        context: ``reading``: answers are written under the face's reading, as in use (records
            whose labels hold none are left out and counted); ``none``: under the picture alone.
        echo: A single face's reading comes once more behind its conversation (``data/echo``).
        teacher: File of a model's readings (``own_readings``): queries a face has no label for are
            learned from it, and action units always, where one level would say less. Empty: none.
        tasks: Only these tasks; all where empty.
        leave_out_sources: Sets never trained on (leave-one-source-out).
        leave_out_tasks: Tasks never trained on, readout targets included (leave-one-task-out).
        max_tokens: Longest sample; longer ones are left out and counted, never cut.
        batching: ``packed``: several samples a row with block-diagonal attention; ``grouped``:
            padded rows of like length; ``padded``: padded rows as they come.
        readouts: A reading sample per picture too, its targets from the record's labels.
        landmarks_dropped: Share of samples without landmarks.
        workers: Processes that decode pictures; 0 decodes in the trainer's own.
        features: Folder of cached features of a frozen tower (made when missing); empty: none.
        limit: Records of each corpus at most, spread evenly over it; 0: all.
        augment: Crops are shifted and zoomed a little, and mirrored where nothing but a reading is
            learned from them; never with ``features``.
    """

    corpora: tuple[str, ...]
    pictures: str = ""
    context: Literal["reading", "none"] = "none"
    echo: bool = False
    teacher: str = ""
    tasks: tuple[str, ...] = ()
    leave_out_sources: tuple[str, ...] = ()
    leave_out_tasks: tuple[str, ...] = ()
    max_tokens: int = 2048
    batching: Literal["packed", "grouped", "padded"] = "packed"
    readouts: bool = True
    landmarks_dropped: float = 0.12
    workers: int = 1
    features: str = ""
    limit: int = 0
    augment: bool = True

    def __post_init__(self) -> None:
        if self.echo and self.context != "reading":
            raise ValueError(f"echo needs context: reading, not {self.context}")
        if not self.corpora:
            raise ValueError("corpora is empty: there is nothing to train on")
        at_least(self, max_tokens=16, workers=0, limit=0)
        between_0_and_1("landmarks_dropped", self.landmarks_dropped)


@dataclass(frozen=True)
class RatesConfig:
    """Peak learning rate of each part; 0 freezes it.

    Attributes:
        vision_tower: The tower.
        region_attention: FRLP and FRGCA.
        multi_modal_projector: The projector.
        embeddings: Token tables of the language model (with ``language_model`` 0: new rows learn).
        language_model: The language model without its token tables.
        lora: Low-rank adapters on the language model; needs ``lora.rank``.
    """

    vision_tower: float = 0.0
    region_attention: float = 0.0
    multi_modal_projector: float = 0.0
    embeddings: float = 0.0
    language_model: float = 0.0
    lora: float = 0.0

    def __post_init__(self) -> None:
        rates = asdict(self)
        for name, rate in rates.items():
            between_0_and_1(name, rate)
        if not any(rates.values()):
            raise ValueError("every rate is 0: nothing would be trained")


@dataclass(frozen=True)
class LoraSettings:
    """Adapters, and how the frozen base under them is stored.

    Attributes:
        rank: 0 is none.
        alpha: Scale times rank.
        dropout: In front of the adapters.
        quantise: Base weights of the language model: ``none``, ``nf4`` or ``int8`` (bitsandbytes).
        double_quant: Quantise nf4's own scales too.
    """

    rank: int = 0
    alpha: float = 16.0
    dropout: float = 0.05
    quantise: Literal["none", "nf4", "int8"] = "none"
    double_quant: bool = True

    def __post_init__(self) -> None:
        at_least(self, rank=0)
        between_0_and_1("dropout", self.dropout)
        if self.quantise != "none" and not self.rank:
            raise ValueError(
                f"quantise {self.quantise} without a rank: a quantised base cannot learn"
            )


@dataclass(frozen=True)
class ScheduleConfig:
    """How long, how much at once, how fast.

    Attributes:
        epochs: Passes over the data; may be a fraction. Used where ``steps`` is 0.
        steps: Optimizer steps.
        micro_batch: Rows of one forward pass on one rank.
        global_batch: Rows of one optimizer step over all ranks; a multiple of ranks * micro_batch.
        warmup: Share of the steps with linearly rising rate.
        decay: ``cosine`` to ``floor``, or ``constant``.
        floor: Last rate as a share of the peak.
        weight_decay: AdamW's, on matrices only.
        beta2: AdamW's second decay.
        clip: Largest gradient norm; 0: none.
        seed: Of weights, order and everything random.
        precision: ``bf16`` runs the forward pass under autocast.
        recompute: Recompute activations in the backward pass (gradient checkpointing).
    """

    epochs: float = 1.0
    steps: int = 0
    micro_batch: int = 8
    global_batch: int = 8
    warmup: float = 0.03
    decay: Literal["cosine", "constant"] = "cosine"
    floor: float = 0.0
    weight_decay: float = 0.0
    beta2: float = 0.98
    clip: float = 1.0
    seed: int = 0
    precision: Literal["fp32", "bf16"] = "fp32"
    recompute: bool = False

    def __post_init__(self) -> None:
        at_least(self, steps=0, micro_batch=1, global_batch=1, seed=0)
        if self.clip < 0:
            raise ValueError(f"clip {self.clip} is less than 0")
        if self.steps == 0 and self.epochs <= 0:
            raise ValueError(f"epochs {self.epochs} and steps 0: the run has no length")
        if self.global_batch % self.micro_batch:
            raise ValueError(
                f"global_batch {self.global_batch} is no multiple of micro_batch {self.micro_batch}"
            )


@dataclass(frozen=True)
class EngineConfig:
    """What runs the steps.

    Attributes:
        kind: ``single`` process, or ``deepspeed`` under its launcher or torchrun.
        zero: DeepSpeed's ZeRO stage.
        offload: What ZeRO keeps in main memory.
        config: A DeepSpeed JSON of one's own (``"auto"`` is filled in) instead of zero and offload.
    """

    kind: Literal["single", "deepspeed"] = "single"
    zero: Literal[0, 1, 2, 3] = 2
    offload: Literal["none", "optimizer", "all"] = "none"
    config: str = ""


@dataclass(frozen=True)
class KeepConfig:
    """What a run writes.

    Attributes:
        save_every: Steps between checkpoints.
        checkpoints: Last ones that are kept.
        log_every: Steps between lines of the log.
        valid_every: Steps between losses on the validation split; 0: at the end only.
        valid_rows: Validation samples each time; 0: none.
        report_to: Where curves go besides ``log.jsonl``.
    """

    save_every: int = 200
    checkpoints: int = 2
    log_every: int = 10
    valid_every: int = 0
    valid_rows: int = 256
    report_to: Literal["none", "tensorboard", "wandb"] = "none"

    def __post_init__(self) -> None:
        at_least(self, save_every=1, checkpoints=1, log_every=1, valid_every=0, valid_rows=0)


def at_least(config: Any, **bounds: int) -> None:
    """``ValueError`` where a field is below its bound; the message names field, value and bound."""
    for name, bound in bounds.items():
        value = getattr(config, name)
        if value < bound:
            raise ValueError(f"{name} {value} is less than {bound}")


def between_0_and_1(name: str, value: float) -> None:
    """``ValueError`` where a value is not in [0, 1)."""
    if not 0 <= value < 1:
        raise ValueError(f"{name} {value} is not in [0, 1)")
