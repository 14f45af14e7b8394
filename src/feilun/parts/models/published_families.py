"""Which published models are read here, by the model_type of their config.json. Needs no torch."""

from __future__ import annotations

from feilun.parts.models import published_decoders, published_translators

ENCODERS = ("bert", "roberta", "xlm-roberta", "distilbert")  # texts in, states out: pretrained
DECODERS = published_decoders.FAMILIES  # they write on: decoder
TRANSLATORS = published_translators.FAMILIES  # they read a text and write another: encoder_decoder
KNOWN = (*ENCODERS, *DECODERS, *TRANSLATORS)
