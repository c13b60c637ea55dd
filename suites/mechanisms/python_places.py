# SPDX-License-Identifier: MIT
"""python_places.py - deletes databases in Python code of every kind, and writes to expected.json where it was.

Run by python_frames.py, with any Python from 3.6 on. To add a place: a function below.
"""
import asyncio
import functools
import json
import os
import threading
import traceback

EXPECTED = {}


def drop(name):
    """Deletes a database; its caller's frames are what is compared."""
    with open(name, "wb") as file:
        file.write(b"SQLite format 3\0" + bytes(496))
    os.unlink(name)
    EXPECTED[name] = [f"{frame.filename}:{frame.lineno} {frame.name}"
                      for frame in reversed(traceback.extract_stack()[:-1])]


def in_a_function():
    drop("function.db")


def over_several_lines():
    return [
        "one",
        drop(
            "lines.db",
        ),
        "two",
    ]


def far_down():
    """A table of lines with long steps."""
    if not EXPECTED:
        raise RuntimeError(
            "never"
            "comes"
            "here"
        )

    # A gap.




















































































    drop("gap.db")


def after_a_failure():
    try:
        {}["none"]  # pylint: disable=expression-not-assigned
    except KeyError:
        drop("except.db")
    finally:
        drop("finally.db")


def in_a_generator():
    def numbers():
        yield 1
        drop("generator.db")
        yield 2
    return list(numbers())


def in_comprehensions():
    return [[drop(f"comprehension-{outer}{inner}.db") for inner in range(2)] for outer in range(2)]


def by_c_code():
    list(map(lambda _: drop("lambda.db"), range(1)))
    sorted([1, 2], key=lambda number: drop(f"key-{number}.db") or number)
    functools.partial(drop, "partial.db")()


class Store:
    def __init__(self):
        drop("init.db")

    def __del__(self):
        drop("del.db")

    @property
    def size(self):
        drop("property.db")
        return 0

    @functools.lru_cache()
    def cached(self):
        drop("cached.db")


def in_a_class():
    store = Store()
    assert store.size == 0
    store.cached()
    Store.cached.cache_clear()


def in_a_coroutine():
    async def inner():
        await asyncio.sleep(0)
        drop("coroutine.db")

    async def outer():
        await asyncio.gather(inner())
    asyncio.new_event_loop().run_until_complete(outer())


def in_a_thread():
    thread = threading.Thread(target=lambda: drop("thread.db"))
    thread.start()
    thread.join()


def größe_日本():
    drop("name.db")


def deep(left):
    if left:
        deep(left - 1)
    else:
        drop("deep.db")


def in_executed_text():
    text = "\n" * 300 + "def made():\n    drop('text.db')\nmade()\n"
    exec(compile(text, "/not/there/größe 日本 😀.py", "exec"), {"drop": drop})  # pylint: disable=exec-used


for place in (in_a_function, over_several_lines, far_down, after_a_failure, in_a_generator, in_comprehensions,
              by_c_code, in_a_class, in_a_coroutine, in_a_thread, größe_日本, lambda: deep(30), in_executed_text):
    place()
with open("expected.json", "w", encoding="utf-8") as file:
    json.dump(EXPECTED, file)
