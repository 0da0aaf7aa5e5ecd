"""Run a command that may not ptrace: `python -I forbid_ptrace.py COMMAND...`.

A seccomp filter answers ptrace(2) with EPERM, as container engines and hardened machines do; the
command's children inherit it and cannot take it off, whoever they are. seccomp(2), bpf(4).
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
RET_ALLOW, RET_ERRNO = 0x7FFF0000, 0x00050000
LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
# Offsets in struct seccomp_data, and what it holds for a ptrace of this machine's own kind.
NUMBER_AT, ARCHITECTURE_AT = 0, 4
PTRACE = {"x86_64": (0xC000003E, 101), "aarch64": (0xC00000B7, 117)}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def forbid_ptrace() -> None:
    """Make ptrace fail with EPERM in this process and all that it starts; OSError if impossible."""
    architecture, number = PTRACE[platform.machine()]
    instructions = b"".join(
        struct.pack("HBBI", *instruction)
        for instruction in (
            (LOAD_WORD, 0, 0, ARCHITECTURE_AT),
            (JUMP_IF_EQUAL, 0, 3, architecture),
            (LOAD_WORD, 0, 0, NUMBER_AT),
            (JUMP_IF_EQUAL, 0, 1, number),
            (RETURN, 0, 0, RET_ERRNO | errno.EPERM),
            (RETURN, 0, 0, RET_ALLOW),
        )
    )
    program = _Program(len(instructions) // 8, instructions)
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    _prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program))


def _prctl(option: int, *values: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    padded = [v if not isinstance(v, int) else ctypes.c_ulong(v) for v in (*values, 0, 0, 0)]
    if libc.prctl(option, *padded[:4]):
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")


if __name__ == "__main__":
    forbid_ptrace()
    os.execvp(sys.argv[1], sys.argv[1:])
