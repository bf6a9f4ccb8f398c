"""What a FLUX pipeline is made of, without its autoencoder: a transformer, text encoders, tokenizers, a scheduler."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from alphabench.models.contract import Unread

PATCH = 2
"""Latent positions along each side of a token."""

LONGEST = 512
"""Tokens that the sequence encoder reads where its tokenizer sets no limit, as the published pipeline does."""


@dataclass(frozen=True, eq=False)
class Components:
    """What makes velocities of noise and words.

    Attributes:
        transformer: a `FluxTransformer2DModel`.
        pooled: the CLIP text encoder.
        sequence: the T5 text encoder.
        pooled_tokenizer: of the first.
        sequence_tokenizer: of the second.
        scheduler: a `FlowMatchEulerDiscreteScheduler`.
    """

    transformer: Any
    pooled: Any
    sequence: Any
    pooled_tokenizer: Any
    sequence_tokenizer: Any
    scheduler: Any

    @property
    def latent_channels(self) -> int:
        """Return the numbers of a latent position that the transformer was made for."""
        return int(self.transformer.config.in_channels) // PATCH**2

    @property
    def guided(self) -> bool:
        """Say whether the transformer is guidance-distilled, and so takes the guidance as an input."""
        return bool(self.transformer.config.guidance_embeds)

    @property
    def length(self) -> int:
        """Return the tokens that the sequence encoder reads."""
        return min(int(self.sequence_tokenizer.model_max_length), LONGEST)

    def networks(self) -> dict[str, nn.Module]:
        """Return the three networks by their folder in the pipeline."""
        return {"transformer": self.transformer, "text_encoder": self.pooled, "text_encoder_2": self.sequence}

    def tokens(self, words: Sequence[str]) -> dict[str, Tensor]:
        """Return the numbers that both encoders read, `(batch, length)` each."""
        return {"pooled_tokens": self.pooled_tokens(words), "sequence_tokens": self.sequence_tokens(words)}

    def pooled_tokens(self, words: Sequence[str]) -> Tensor:
        """Return the numbers that the pooled encoder reads, `(batch, length)`."""
        return _filled(self.pooled_tokenizer, words, int(self.pooled_tokenizer.model_max_length))

    def sequence_tokens(self, words: Sequence[str]) -> Tensor:
        """Return the numbers that the sequence encoder reads, `(batch, length)`."""
        return _filled(self.sequence_tokenizer, words, self.length)

    def unread(self, words: Sequence[str]) -> list[Unread]:
        """Return what the sequence encoder is not told of each text: words without a token, and a cut end."""
        tokenizer = self.sequence_tokenizer
        told = tokenizer(list(words), return_offsets_mapping=True, verbose=False)
        found = []
        for text, numbers, places in zip(words, told.input_ids, told.offset_mapping, strict=True):
            tokens = zip(numbers, places, strict=True)
            strange = dict.fromkeys(text[slice(*place)] for number, place in tokens if number == tokenizer.unk_token_id)
            found.append(Unread(tuple(strange), cut=len(numbers) > self.length))
        return found

    def pipeline(self) -> Any:
        """Return these components as diffusers' own pipeline, without an autoencoder."""
        from diffusers import FluxPipeline

        made = FluxPipeline(
            scheduler=self.scheduler,
            vae=None,
            text_encoder=self.pooled,
            tokenizer=self.pooled_tokenizer,
            text_encoder_2=self.sequence,
            tokenizer_2=self.sequence_tokenizer,
            transformer=self.transformer,
        )
        made.set_progress_bar_config(disable=True)
        return made


def _filled(tokenizer: Any, words: Sequence[str], length: int) -> Tensor:
    told = tokenizer(list(words), padding="max_length", max_length=length, truncation=True, return_tensors="pt")
    numbers: Tensor = told.input_ids
    return numbers
