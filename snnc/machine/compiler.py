"""From LLVM modules to functions that can be called: compiled once per content, kept on disk.

A key is a digest of the text of the module, the path, the kind of machine and the version of the
compiler. Functions are called through ctypes, which lets other threads run meanwhile.
"""

import ctypes
import hashlib
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path as Folder
from typing import Any

import llvmlite
from llvmlite import binding, ir

from snnc.machine import store
from snnc.machine.paths import Path

Function = Callable[..., int]
_LOCK = threading.RLock()


@cache
def _prepare() -> None:
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()


class Compiler:
    """Makes functions for one path; objects are kept in `folder` unless it is None."""

    def __init__(self, path: Path, folder: Folder | None) -> None:
        self.path, self.folder = path, folder
        self._made: dict[tuple[str, object], Function] = {}

    def function(self, name: str, about: object, emit: Callable[[Any], object]) -> Function:
        """Return a function; `emit` writes it, with that name, into a module.

        `about` is all that the code depends on, so that it is emitted once.
        """
        with _LOCK:
            if (name, about) not in self._made:
                module = ir.Module(name)
                emit(module)
                arguments = len(module.globals[name].args)
                engine = self._engine(str(module))
                type = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * arguments)
                function: Any = type(engine.get_function_address(name))
                function.code = engine  # The code goes with the function, not with the compiler.
                self._made[name, about] = function
            return self._made[name, about]

    def _engine(self, text: str) -> Any:
        _prepare()
        code = self._object(text)
        # The engine needs a module of its own; the code comes from the object.
        engine = binding.create_mcjit_compiler(binding.parse_assembly(""), self._machine())
        engine.add_object_file(binding.ObjectFileRef.from_data(code))
        engine.finalize_object()
        return engine

    def _object(self, text: str) -> bytes:
        compiler = llvmlite.__version__, binding.llvm_version_info
        about = (text, self.path, binding.get_process_triple(), *compiler)
        key = hashlib.sha256(repr(about).encode()).hexdigest()
        found = store.read(self.folder, key) if self.folder else None
        if found is not None:
            return found
        machine = self._machine()
        module = binding.parse_assembly(text)
        module.verify()
        options = binding.create_pipeline_tuning_options(speed_level=2)
        builder = binding.create_pass_builder(machine, options)
        builder.getModulePassManager().run(module, builder)
        code: bytes = machine.emit_object(module)
        if self.folder:
            store.write(self.folder, key, code)
        return code

    def _machine(self) -> Any:
        target = binding.Target.from_default_triple()
        return target.create_target_machine(
            cpu=self.path.cpu, features=self.path.features, opt=3, jit=True
        )
