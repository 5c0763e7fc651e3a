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
# For --weights hub: the networks that OpenAI published (Radford 2019), and one distilled from them (Sanh 2019).
HUB = {
    "gpt2": "openai-community/gpt2",
    "gpt2-medium": "openai-community/gpt2-medium",
    "gpt2-large": "openai-community/gpt2-large",
    "gpt2-xl": "openai-community/gpt2-xl",
    "distilgpt2": "distilbert/distilgpt2",
}
