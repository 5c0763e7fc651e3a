#!/usr/bin/env bash
# tokenizers 0.23.3: WordPieceTrainer learns other tokens from the same text each time, as BpeTrainer does with a prefix.
#
# Most would expect: training has no seed and no chance in it, so that the same text gives the same vocabulary.
# Seen: letters within a word (##a) get their numbers in the order in which a hash map yields the words, which is another
# each time; and among pairs that are equally frequent the smaller numbers are merged first.
# Way out: give all ##letters as special tokens, so that they have their numbers before, and take them out again.
# Source: tokenizers/src/models/bpe/trainer.rs (tokenize_words, do_train).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q tokenizers==0.23.3
"$folder/venv/bin/python" - <<'PYTHON'
from pydoc_data.topics import topics

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

texts = [normalizers.BertNormalizer().normalize_str(text) for text in topics.values()]
letters = sorted({f"##{letter}" for text in texts for letter in text if not letter.isspace()})


def learned(special: list[str]) -> str:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=2000, special_tokens=["[UNK]", *special], show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return "\n".join(sorted(tokenizer.get_vocab(with_added_tokens=False)))


plain, numbered = ({learned(special) for _ in range(6)} for special in ([], letters))
print(f"six trainings on the same text: {len(plain)} different vocabularies, {len(numbered)} with numbered letters")
assert len(plain) > 1
assert len(numbered) == 1
PYTHON
