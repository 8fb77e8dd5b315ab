"""A language model of 27,000 random weights as a GGUF file: it says nothing sensible, but all that serving needs is there."""

import random
import struct
from collections.abc import Sequence
from pathlib import Path

WIDTH, INNER, HEADS = 32, 64, 2
TOKENS = ("<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)))
UNKNOWN, CONTROL, BYTE = 2, 3, 6  # kinds of tokens
TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"

Shape = tuple[int, ...]


def write_tiny_gguf(path: Path) -> None:
    """Version 3 of https://github.com/ggml-org/ggml/blob/master/docs/gguf.md: header, metadata, tensor table, tensors."""
    entries = _metadata()
    table, weights = _tensors(_shapes())
    head = b"GGUF" + struct.pack("<IQQ", 3, len(_shapes()), len(entries)) + b"".join(entries) + table
    path.write_bytes(_aligned(head) + weights)


def _metadata() -> list[bytes]:
    numbers = {
        "context_length": 8192,
        "embedding_length": WIDTH,
        "block_count": 1,
        "feed_forward_length": INNER,
        "attention.head_count": HEADS,
        "rope.dimension_count": WIDTH // HEADS,
    }
    kinds = [UNKNOWN, CONTROL, CONTROL] + [BYTE] * 256
    return [
        _text("general.architecture") + _typed_text("llama"),
        *(_text(f"llama.{name}") + struct.pack("<II", 4, value) for name, value in numbers.items()),
        _text("llama.attention.layer_norm_rms_epsilon") + struct.pack("<If", 6, 1e-5),
        _text("tokenizer.ggml.model") + _typed_text("llama"),
        _text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, len(TOKENS)) + b"".join(map(_text, TOKENS)),
        _text("tokenizer.ggml.scores") + struct.pack(f"<IIQ{len(TOKENS)}f", 9, 6, len(TOKENS), *[0.0] * len(TOKENS)),
        _text("tokenizer.ggml.token_type") + struct.pack(f"<IIQ{len(kinds)}i", 9, 5, len(kinds), *kinds),
        _text("tokenizer.ggml.bos_token_id") + struct.pack("<II", 4, 1),
        _text("tokenizer.ggml.eos_token_id") + struct.pack("<II", 4, 2),
        _text("tokenizer.chat_template") + _typed_text(TEMPLATE),
    ]


def _shapes() -> dict[str, Shape]:
    block: dict[str, Shape] = {
        "attn_norm": (WIDTH,),
        "attn_q": (WIDTH, WIDTH),
        "attn_k": (WIDTH, WIDTH),
        "attn_v": (WIDTH, WIDTH),
        "attn_output": (WIDTH, WIDTH),
        "ffn_norm": (WIDTH,),
        "ffn_gate": (WIDTH, INNER),
        "ffn_up": (WIDTH, INNER),
        "ffn_down": (INNER, WIDTH),
    }
    outer: dict[str, Shape] = {
        "token_embd": (WIDTH, len(TOKENS)),
        "output_norm": (WIDTH,),
        "output": (WIDTH, len(TOKENS)),
    }
    return outer | {f"blk.0.{name}": shape for name, shape in block.items()}


def _tensors(shapes: dict[str, Shape]) -> tuple[bytes, bytes]:
    dice = random.Random(1)
    table, weights = b"", b""
    for name, shape in shapes.items():
        table += _text(f"{name}.weight") + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, len(weights))
        weights += _aligned(_floats([1.0] * shape[0] if len(shape) == 1 else _random(dice, shape)))
    return table, weights


def _random(dice: random.Random, shape: Shape) -> list[float]:
    return [dice.uniform(-1, 1) for _ in range(shape[0] * shape[1])]


def _floats(values: Sequence[float]) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _typed_text(text: str) -> bytes:
    return struct.pack("<I", 8) + _text(text)


def _aligned(octets: bytes) -> bytes:
    return octets + b"\0" * (-len(octets) % 32)
