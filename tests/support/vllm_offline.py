"""Runs prompts through vLLM in one process; started by tests with the serving interpreter.

``python vllm_offline.py JOB OUT``: JOB is JSON with the engine's arguments and the requests, OUT
what came of each. Requests are run one after the other, so that a later one meets the caches.
"""

import json
import os
import sys
from pathlib import Path

SETTINGS = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_USE_V2_MODEL_RUNNER": "0",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
}


def main(job_file: str, out_file: str) -> None:
    os.environ.update(SETTINGS)
    import numpy as np
    from PIL import Image
    from vllm import LLM, SamplingParams
    from vllm.lora.request import LoRARequest

    job = json.loads(Path(job_file).read_text())
    llm = LLM(
        job["model"],
        dtype="float32",
        enforce_eager=True,
        logits_processors=["facellm.serve.vllm_intents:Intents"],
        max_logprobs=512,
        limit_mm_per_prompt={"image": 16},
        **job["arguments"],
    )
    pictures = np.load(job["pictures"])
    found = []
    for request in job["requests"]:
        prompt = {"prompt_token_ids": request["ids"]}
        if request["faces"]:
            crops = [Image.fromarray(pictures[face]) for face in request["faces"]]
            prompt["multi_modal_data"] = {"image": crops}
        adapter = request.get("adapter")
        (output,) = llm.generate(
            prompt,
            SamplingParams(**request["params"]),
            lora_request=LoRARequest(adapter, 1, adapter) if adapter else None,
            use_tqdm=False,
        )
        answer = output.outputs[0]
        steps = [{i: entry.logprob for i, entry in step.items()} for step in answer.logprobs or ()]
        found.append(
            {
                "prompt": list(output.prompt_token_ids),
                "tokens": list(answer.token_ids),
                "logprobs": steps,
                "cached": output.num_cached_tokens,
            }
        )
    Path(out_file).write_text(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
