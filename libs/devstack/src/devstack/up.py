"""`latchkey dev up`."""

import fcntl
import signal
import sys
import time
from pathlib import Path

from .processes import StartFailed
from .supervisor import Stack


def run(data: Path, port: int, configuration: Path | None) -> int:
    """`latchkey dev up`: until Ctrl-C or SIGTERM. Exit code 1 with a plain sentence when something can't start."""

    def say(text: str) -> None:
        print(f"  {text}", flush=True)

    data.mkdir(parents=True, exist_ok=True)
    with (data / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"latchkey: it runs already on {data}; see `latchkey dev status`", file=sys.stderr)
            return 1
        stopping: list[int] = []
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda received, _frame: stopping.append(received))
        print("Latchkey is starting", flush=True)
        stack = Stack(data, port, say=say, configuration=configuration)
        try:
            stack.start()
        except StartFailed as error:
            print(f"latchkey: {error}", file=sys.stderr)
            return 1
        print(f"\n  Portal   {stack.origin}/go/demo\n  Inbox    {stack.origin}/inbox\n  Stop     Ctrl-C\n", flush=True)
        while not stopping:
            try:
                stack.watch_once()
            except StartFailed as error:
                say(str(error))
            time.sleep(0.2)
        print("\nstopping", flush=True)
        stack.stop()
    return 0
