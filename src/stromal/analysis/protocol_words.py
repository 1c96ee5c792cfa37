"""What functions say, for people who write protocols."""

from __future__ import annotations

__all__ = ["in_protocol_words"]

_WORDS = {
    "fit_firth": "`penalty: firth`",
    "fit_cox": "`estimate: hazards`",
    "estimate_rate": "a `summary` of the counts",
    "take_landmark": "`landmark`",
    "split_at_exposure": "`by_infusion` of `estimate: hazards`",
}


def in_protocol_words(said: str) -> str:
    """Name the keys of the protocol language where a message names functions."""
    for function, words in _WORDS.items():
        said = said.replace(f"`{function}`", words).replace(function, words)
    return said
