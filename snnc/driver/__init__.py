"""The Python API: load, compile, run, verify; the command line is thin over it."""

from snnc.driver.pipeline import run_pipeline

__all__ = ["run_pipeline"]
