"""Published tokenizers number padding as they like; here it is token 0 throughout."""

import json

PADDINGS = ("[PAD]", "<pad>")


def padding_of(tokenizer: str) -> int:
    """The number of the token for padding in a tokenizer.json; 0 if it has none."""
    added = {token["content"]: token["id"] for token in json.loads(tokenizer).get("added_tokens") or ()}
    return next((added[name] for name in PADDINGS if name in added), 0)


def with_padding_first(tokenizer: str) -> str:
    """A tokenizer.json in which padding has changed places with token 0; unchanged if it is that, or if there is none.

    RoBERTa's padding is token 1 (Liu 2019, as published), and its embedding has to be read in the same order.
    """
    padding = padding_of(tokenizer)
    if not padding:
        return tokenizer
    swapped, written = {0: padding, padding: 0}, json.loads(tokenizer)
    vocabulary = written["model"]["vocab"]
    if isinstance(vocabulary, dict):
        written["model"]["vocab"] = {word: swapped.get(number, number) for word, number in vocabulary.items()}
    else:  # Unigram's, in the order of the numbers
        vocabulary[0], vocabulary[padding] = vocabulary[padding], vocabulary[0]
        unknown = written["model"].get("unk_id")
        written["model"]["unk_id"] = swapped.get(unknown, unknown)
    for token in written["added_tokens"]:
        token["id"] = swapped.get(token["id"], token["id"])
    written["added_tokens"].sort(key=lambda token: token["id"])
    renumber(written.get("post_processor"), swapped)
    return json.dumps(written)


def renumber(processor: dict | None, swapped: dict[int, int]) -> None:
    """Gives the marks that a post-processor sets around a text their new numbers."""
    if processor is None:
        return
    for part in processor.get("processors", ()):
        renumber(part, swapped)
    for name in ("sep", "cls"):  # of RoBERTa and BERT: pairs of a mark and its number
        if isinstance(processor.get(name), list):
            processor[name][1] = swapped.get(processor[name][1], processor[name][1])
    for mark in (processor.get("special_tokens") or {}).values():  # of templates
        mark["ids"] = [swapped.get(number, number) for number in mark["ids"]]
