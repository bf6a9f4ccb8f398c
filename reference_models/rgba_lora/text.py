"""Small text encoders of the classes that a FLUX pipeline has, and a tokenizer of whole words for them."""

import re
from collections.abc import Iterable
from typing import Any

from reference_models.rgba_lora.captions import Entry
from reference_models.rgba_lora.colours import WORDS
from reference_models.rgba_lora.config import TextConfig

PAD, UNKNOWN, END = "<pad>", "<unk>", "</s>"
SPECIAL = (PAD, UNKNOWN, "<s>", END)
"""In the order of their numbers. The end must not have the number 2, by which CLIP knows files of old."""

SPLIT = r"[^\w]+"
ARTICLES = ("a", "an", "the", "of", "with", "and", "on", "in")


def word_tokenizer(entries: Iterable[Entry], length: int) -> Any:
    """Return a tokenizer that knows every word of a caption table, in lower case, and nothing smaller.

    Args:
        entries: whose names, keywords and captions are the vocabulary, with the colour words.
        length: tokens of a prompt, its end included.
    """
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    texts = (text for entry in entries for text in (entry.name, entry.caption, *entry.keywords))
    words = sorted({word for text in (*texts, *WORDS, *ARTICLES) for word in re.split(SPLIT, text.lower()) if word})
    numbers = {word: number for number, word in enumerate((*SPECIAL, *words))}
    tokenizer = Tokenizer(models.WordLevel(numbers, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(SPLIT), "removed")
    tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {END}", special_tokens=[(END, numbers[END])])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, unk_token=UNKNOWN, eos_token=END, model_max_length=length
    )


def sequence_encoder(config: TextConfig, words: int) -> Any:
    """Return a T5 encoder with random weights: one vector for each token.

    Args:
        config: its shape.
        words: size of the vocabulary.
    """
    from transformers import T5Config, T5EncoderModel

    return T5EncoderModel(
        T5Config(
            vocab_size=words,
            d_model=config.width,
            d_kv=config.width // config.heads,
            d_ff=2 * config.width,
            num_layers=config.layers,
            num_heads=config.heads,
            dropout_rate=0.0,
            feed_forward_proj="gated-gelu",
            pad_token_id=SPECIAL.index(PAD),
            eos_token_id=SPECIAL.index(END),
        )
    )


def pooled_encoder(config: TextConfig, words: int) -> Any:
    """Return a CLIP text encoder with random weights: one vector for a prompt.

    Args:
        config: its shape.
        words: size of the vocabulary.
    """
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=words,
            hidden_size=config.pooled_width,
            intermediate_size=2 * config.pooled_width,
            projection_dim=config.pooled_width,
            num_hidden_layers=config.pooled_layers,
            num_attention_heads=config.pooled_width // 64,
            max_position_embeddings=config.length,
            pad_token_id=SPECIAL.index(PAD),
            bos_token_id=SPECIAL.index("<s>"),
            eos_token_id=SPECIAL.index(END),
        )
    )
