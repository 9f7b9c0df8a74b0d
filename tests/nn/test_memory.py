import platform
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from deweather.nn import memory
from deweather.nn.memory import reusing_memory

CPU = torch.device("cpu")


class Library:
    """Remembers what is asked of an allocator."""

    def __init__(self, idle: int = 0) -> None:
        self.calls, self.idle = [], idle
        self.malloc_trim = self.mallinfo2 = None

    def mallopt(self, option, value):
        self.calls.append((option, value))


def allocator(monkeypatch, idle=0):
    library = Library()
    glibc = memory._Glibc.__new__(memory._Glibc)
    library.mallinfo2 = lambda: memory._Mallinfo2(fordblks=idle)
    library.malloc_trim = lambda keep: library.calls.append(("trim", keep))
    glibc.library, glibc.lock, glibc.blocks = library, threading.Lock(), 0
    monkeypatch.setattr(memory, "_allocator", lambda: glibc)
    return library.calls


@pytest.fixture
def calls(monkeypatch):
    return allocator(monkeypatch)


BEGIN = [(-4, 0), (-1, 2**31 - 1)]
END = [(-4, 65536), (-3, 32 << 20), (-1, 64 << 20)]


def test_the_limits_come_back_when_the_last_block_ends(calls):
    with reusing_memory(CPU):
        with reusing_memory(CPU):
            assert calls == BEGIN
        assert calls == BEGIN
    assert calls == BEGIN + END


def test_they_come_back_after_an_error_too(calls):
    with pytest.raises(KeyError), reusing_memory(CPU):
        raise KeyError
    assert calls == BEGIN + END


def test_much_idle_memory_is_given_back_at_once(monkeypatch):
    calls = allocator(monkeypatch, idle=300 << 20)
    with reusing_memory(CPU):
        pass
    assert calls == [*BEGIN, *END, ("trim", 256 << 20)]


def test_threads_share_one_setting(calls):
    def work(_):
        with reusing_memory(CPU):
            return

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(200)))
    assert calls == (BEGIN + END) * (len(calls) // 5)  # on and off by turns


def test_other_devices_are_none_of_its_business(calls):
    with reusing_memory(torch.device("cuda")):
        pass
    assert calls == []


def run(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": ":".join(sys.path), "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout.split()


@pytest.mark.parametrize("name", ["MALLOC_ARENA_MAX", "GLIBC_TUNABLES"])
def test_an_allocator_that_its_user_tuned_is_left_alone(name):
    value = {"MALLOC_ARENA_MAX": "2", "GLIBC_TUNABLES": "glibc.malloc.arena_max=2"}[name]
    code = "from deweather.nn import memory; print(memory._allocator())"
    assert run(code, **{name: value}) == ["None"]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_pages_are_taken_once_and_go_back_afterwards():
    out = run(
        "import ctypes, resource, torch\n"
        "from deweather.nn.memory import reusing_memory\n"
        "def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "def held(): return int(open('/proc/self/statm').read().split()[1]) * 4096\n"
        "def work():\n"
        "    start = faults()\n"
        "    for n in range(24): torch.ones((20 - n // 2) << 20)\n"  # 80 MiB and less
        "    return faults() - start\n"
        "torch.ones(8); print(work()); before = held()\n"
        "with reusing_memory(torch.device('cpu')): print(work())\n"
        "print(held() - before)"
    )
    given_back, kept, left = map(int, out)
    assert kept < given_back / 2
    assert left < 300 << 20
