"""wrk as the crowd: cycles through a list of paths for some seconds and reports what came back."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.processes import program

# Every thread walks the whole list from a place of its own.
SCRIPT = """
local threads = 0
function setup(thread) thread:set("first", threads * 37); threads = threads + 1 end
function init(args)
  paths = {}
  for line in io.lines("%(paths)s") do paths[#paths + 1] = line end
  turn = first
end
function request()
  turn = turn + 1
  return wrk.format("GET", paths[turn %% #paths + 1], { ["Accept"] = '%(accept)s', ["Cookie"] = '%(cookie)s' })
end
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\\nRESULT {"requests": %%d, "bytes": %%d, "microseconds": %%d, "failed": %%d, "p50": %%d, "p95": %%d, "p99": %%d}\\n',
    summary.requests, summary.bytes, summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50), latency:percentile(95), latency:percentile(99)))
end
"""


@dataclass(frozen=True)
class Crowd:
    """What wrk saw: requests in all, requests per second, bytes of a response on average, latencies in milliseconds."""

    requests: int
    per_second: float
    response_bytes: float
    p50: float
    p95: float
    p99: float


def crowd(
    folder: Path, root: str, paths: Sequence[str], accept: str, *, connections: int = 4, seconds: int = 10, cookie: str = ""
) -> Crowd:
    """Ask for ``root + path`` in turn. Every response must be a success.

    ``root`` is scheme, host and port; two threads of wrk share the connections. ``cookie`` is that of a session.
    """
    folder.mkdir(parents=True, exist_ok=True)
    script, listing = folder / "wrk.lua", folder / "paths.txt"
    listing.write_text("\n".join(paths) + "\n")
    script.write_text(SCRIPT % {"paths": listing, "accept": accept, "cookie": cookie})
    command = [program("wrk"), "-t", str(min(2, connections)), "-c", str(connections), "-d", f"{seconds}s", "--timeout", "30s"]
    command += ["-s", str(script), root]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 120, check=True)
    said = json.loads(done.stdout.rpartition("RESULT ")[2].splitlines()[0])
    assert said["failed"] == 0, f"{said['failed']} of {said['requests']} requests failed\n{done.stdout}"
    assert said["requests"] > 0, done.stdout
    latencies = {name: said[name] / 1000 for name in ("p50", "p95", "p99")}
    return Crowd(said["requests"], said["requests"] / said["microseconds"] * 1e6, said["bytes"] / said["requests"], **latencies)
