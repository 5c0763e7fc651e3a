"""Published weights for our networks. This file has only their names; a module for each family loads them."""

# For --weights imagenet: the networks that keras.applications publishes.
IMAGENET = (
    "vgg16",
    "vgg19",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnet50v2",
    "resnet101v2",
    "resnet152v2",
    "inception_v3",
    "xception",
)


def of_pictures(name: str, weights: str) -> bool:
    """Whether a published network is one of keras.applications, and not one of texts."""
    return name in IMAGENET or weights == "imagenet" or weights.endswith((".h5", ".hdf5"))


def module_of(name: str, weights: str):
    """The module of a published network that is to be fine-tuned.

    It has READS, the kind of data that such networks read, and `base(name, weights, size)`: the network with a new
    head, and data of that kind, as it reads them; for pictures, `size` is their height and width.
    """
    if of_pictures(name, weights):
        from zoo.pretrained import applications as family
    else:
        from zoo.pretrained import bert as family
    return family


# For --weights hub, those that fill in words and are fine-tuned: BERT (Devlin 2018), RoBERTa (Liu 2019), and MiniLM
# (Wang 2020) as it was trained further for sentences (Reimers 2019).
ENCODERS = {
    "minilm": "sentence-transformers/all-MiniLM-L6-v2",
    "bert-base": "google-bert/bert-base-uncased",
    "bert-base-cased": "google-bert/bert-base-cased",
    "bert-large": "google-bert/bert-large-uncased",
    "roberta-base": "FacebookAI/roberta-base",
    "roberta-large": "FacebookAI/roberta-large",
}
# Those that write: what OpenAI published (Radford 2019), and one distilled from it (Sanh 2019); T5 (Raffel 2019) of the
# paper, and Flan-T5, which was trained further on 1,836 tasks (Chung 2022, arXiv:2210.11416).
HUB = ENCODERS | {
    "gpt2": "openai-community/gpt2",
    "gpt2-medium": "openai-community/gpt2-medium",
    "gpt2-large": "openai-community/gpt2-large",
    "gpt2-xl": "openai-community/gpt2-xl",
    "distilgpt2": "distilbert/distilgpt2",
    "t5-small": "google-t5/t5-small",
    "t5-base": "google-t5/t5-base",
    "t5-large": "google-t5/t5-large",
    "flan-t5-small": "google/flan-t5-small",
    "flan-t5-base": "google/flan-t5-base",
    "flan-t5-large": "google/flan-t5-large",
}
