"""From LLVM's intermediate code to machine code, compiled by llvmlite once and kept between processes."""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Sequence
from typing import Any

import llvmlite.binding as llvm

from neurosim.backends import kernel_cache

DECLARATIONS = "\n".join(
    f"declare {kind} @llvm.{name}.{suffix}({', '.join([kind] * arguments)})"
    for kind, suffix in (("float", "f32"), ("double", "f64"))
    for name, arguments in (("sqrt", 1), ("fabs", 1), ("pow", 2))
)


@functools.cache
def _machine() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3, codemodel="jitdefault", jit=True
    )


@functools.cache
def _engine() -> Any:
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine())


_compiled: dict[str, int] = {}  # text -> address
_one_at_a_time = threading.Lock()  # a symbol is handed to LLVM once


def compiled(texts: Sequence[str]) -> dict[str, int]:
    """Return text -> address of the machine code; what earlier processes compiled is read from the cache folder."""
    with _one_at_a_time:
        for text in dict.fromkeys(texts):
            if text not in _compiled:
                name = f"kernel_{_digest(text)}"
                code = kernel_cache.read(name)
                if code is None:
                    code = _object_code(text, name)
                    kernel_cache.write(name, code)
                _engine().add_object_file(llvm.ObjectFileRef.from_data(code))
                _compiled[text] = _engine().get_function_address(name)
    return {text: _compiled[text] for text in texts}


def _digest(text: str) -> str:
    """Return a name for what the machine code depends on: the text, the processor, the compiler."""
    about = (text, llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten(), str(llvm.llvm_version_info))
    return hashlib.blake2b("\n".join(about).encode(), digest_size=12).hexdigest()


def _object_code(text: str, name: str) -> bytes:
    module = llvm.parse_assembly(f"{DECLARATIONS}\n{text.replace('@NAME', f'@{name}')}\n")
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = True
    builder = llvm.create_pass_builder(_machine(), options)
    builder.getModulePassManager().run(module, builder)
    code: bytes = _machine().emit_object(module)
    return code
