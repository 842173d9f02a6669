"""The language of snnc: small text files (`.snnl`) that say a network as a person would."""

from snnc.frontends.dsl.frontend import Dsl, read_text

__all__ = ["Dsl", "read_text"]
