"""The Python API: load, compile, run, verify; the command line is thin over it."""

from snnc.driver.build import Build
from snnc.driver.compilation import compile
from snnc.driver.pipeline import run_pipeline
from snnc.driver.running import run, verify
from snnc.driver.sources import load
from snnc.driver.verification import Verification

__all__ = ["Build", "Verification", "compile", "load", "run", "run_pipeline", "verify"]
