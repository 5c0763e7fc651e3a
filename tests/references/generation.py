"""T5's writing with the cache beside transformers' generate: `python tests/references/generation.py`.

Both have T5 small with the same random weights and write greedily. It prints a line of JSON for each number of texts
side by side, with tokens a second of five alternating rounds, and is run by hand with nothing else running.
"""

import argparse
import json
import sys
import time
from statistics import median

import numpy as np

from zoo.decoding import decode
from zoo.models import t5
from zoo.pretrained.t5 import names_of

sys.modules["triton"] = None  # see test_transformers_t5.py
import torch  # noqa: E402
import transformers  # noqa: E402

VOCABULARY = 32_128


def both() -> tuple:
    """Our network and theirs, with the same weights; the rows of what ends an answer are so small that none ends."""
    ours = t5(VOCABULARY, variant="small")
    theirs = transformers.T5ForConditionalGeneration(transformers.T5Config(decoder_start_token_id=0)).eval()
    stored, names = theirs.state_dict(), names_of(ours)
    stored["shared.weight"][:2] = 0
    for weight in ours.weights:
        if weight.path in names:
            parts = [stored[name].numpy() for name in names[weight.path]]
            kernel = weight.path.endswith("kernel")
            weight.assign(np.concatenate([part.T for part in parts], -1) if kernel else parts[0])
    return ours, theirs


def main() -> None:
    """Prints the tokens a second of both."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--texts", type=int, nargs="+", default=[1, 8, 64], help="texts side by side")
    arguments.add_argument("--read", type=int, default=32, help="tokens of each source")
    arguments.add_argument("--tokens", type=int, default=64, help="tokens to write")
    arguments.add_argument("--rounds", type=int, default=5, help="alternating rounds")
    asked = arguments.parse_args()
    ours, theirs = both()
    for texts in asked.texts:
        sources = np.random.default_rng(0).integers(3, VOCABULARY, (texts, asked.read)).astype("int32")
        given, how = torch.tensor(sources).long(), {"do_sample": False, "min_new_tokens": asked.tokens}

        def write_ours(sources=sources):
            return decode(ours, sources, bos=0, eos=1, limit=asked.tokens)

        def write_theirs(given=given, how=how):
            with torch.inference_mode():
                return theirs.generate(given, max_new_tokens=asked.tokens, use_cache=True, **how).tolist()

        found = write_ours(), [row[1:] for row in write_theirs()]  # which also compiles
        equal = np.mean([[a == b for a, b in zip(*rows, strict=True)] for rows in zip(*found, strict=True)])
        rates: dict[str, list[float]] = {"ours": [], "theirs": []}
        for _ in range(asked.rounds):
            for name, write in (("ours", write_ours), ("theirs", write_theirs)):
                start = time.perf_counter()
                write()
                rates[name].append(texts * asked.tokens / (time.perf_counter() - start))
        ratios = [a / b for a, b in zip(rates["ours"], rates["theirs"], strict=True)]
        print(
            json.dumps(
                {
                    "kind": "writing",
                    "name": f"t5 small, {texts} texts",
                    "peer": f"transformers {transformers.__version__} generate, torch {torch.__version__}",
                    "measure": "tokens_per_second",
                    "peer_median": round(median(rates["theirs"]), 2),
                    "ours_median": round(median(rates["ours"]), 2),
                    "ratio": round(median(ratios), 3),
                    "ratios": [round(ratio, 3) for ratio in ratios],
                    "equal_tokens": round(float(equal), 3),
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
