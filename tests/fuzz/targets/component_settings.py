"""Settings of a pipeline's components: JSON against the tables of what they may say."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping

from augment.checkpoints.blob import Blob
from augment.checkpoints.strict_json import read_object
from augment.errors import UnsafeCheckpoint
from augment.generators.families.diffusers.settings import WORDS, settings_file, wrong_settings
from augment.generators.families.diffusers.settings_rules import Scale
from tests.generators.families.test_diffusers_settings import PUBLIC

KINDS = ("network", "text", "scheduler", "tokenizer", "processor")
TOKENS = (b"[[[[[[", b"{}", b"null", b"true", b'"sample_size":', b'"block_out_channels":[8]',
          b"1e9", b'"text_config":{', b'"added_tokens_decoder":{"0":{}}', b"-Infinity",
          b'"patch_size":2', b'"transformer_layers_per_block":[[1]]')  # fmt: skip


def seeds() -> Mapping[str, bytes]:
    made = {name: json.dumps(found).encode() for name, (_, _, found) in PUBLIC.items()}
    padded = {"padding": {"strategy": {"Fixed": 7}}, "truncation": {"max_length": 8}, "model": {}}
    return {**made, "words": json.dumps(padded).encode()}


def one(data: bytes) -> None:
    with contextlib.suppress(UnsafeCheckpoint):
        found = read_object(Blob("x", data))
        for kind in KINDS:
            assert settings_file(kind).endswith(".json")
            for scale in (None, Scale(64, 12, 4096)):
                assert len(wrong_settings(kind, found, scale)) < 2000
        for rule in WORDS.values():
            rule.wants(found, None)
