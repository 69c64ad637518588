"""What was measured: as a table to read, and as JSON."""

import json
import os
import platform
import statistics
import subprocess

# key: (label, unit, decimals)
METRICS = {
    "throughput": ("throughput", "MiB/s", 0),
    "processor_gib": ("processor time a GiB", "s", 2),
    "opens_serial": ("opens a second, one after another", "1/s", 0),
    "opens": ("opens a second, 64 at once", "1/s", 0),
    "processor_open": ("processor time each", "us", 0),
    "latency_p50": ("time each, median", "ms", 2),
    "latency_p99": ("time each, p99", "ms", 2),
    "latency_max": ("time each, longest", "ms", 2),
    "lost": ("failed", "requests", 0),
    "processor_share": ("processor time of adit", "%", 1),
    "echo_p50": ("echo round trip, median", "ms", 2),
    "echo_p99": ("echo round trip, p99", "ms", 2),
    "stall": ("longest stall of a transfer", "ms", 1),
    "stall_before": ("... before names were asked for", "ms", 1),
    "start": ("exec to the first byte echoed", "ms", 1),
    "recovery": ("kill to the first request that succeeds", "ms", 1),
    "refused": ("refused meanwhile", "requests", 0),
    "cut": ("cut after they were let in", "requests", 0),
    "command_p50": ("a command, median", "ms", 2),
    "processor_command": ("processor time of the master each", "ms", 2),
    "page_p50": ("page, median", "ms", 0),
    "small_p50": ("small request, median", "ms", 0),
    "small_p99": ("small request, p99", "ms", 0),
    "small_done": ("small requests", "", 0),
    "bulk_down": ("downloads together", "MiB/s", 1),
    "bulk_up": ("uploads together", "MiB/s", 1),
    "resident": ("resident bytes a connection", "B", 0),
    "proportional_each": ("proportional bytes a connection", "B", 0),
    "proportional": ("proportional memory (PSS)", "MiB", 1),
    "resident_all": ("resident memory (RSS)", "MiB", 1),
    "processes": ("processes", "", 0),
}
# A program that stands in the place of ssh -D: the adit of the commit before.
AGAINST = os.environ.get("BENCH_AGAINST")
# Or an engine: adit by that one, beside adit by the one that it takes by itself.
ENGINE = os.environ.get("BENCH_ENGINE")
SIDES = ("adit", "before" if AGAINST else "engine" if ENGINE else "ssh")
OTHER_NAME = "before" if AGAINST else ENGINE or "ssh -D"


class Case:
    """One load: each side's values by metric, one a pair; and what must be said about them."""

    def __init__(self, bench, title, sides=SIDES):
        self.bench = bench
        self.title = title
        self.sides = sides
        self.values = {}
        self.notes = []

    def add(self, side, values):
        for metric, value in values.items():
            self.values.setdefault(metric, {key: [] for key in self.sides})[side].append(value)

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)

    def rows(self):
        """(metric, {side: median}, ratio): the median of the pairs' ratios, adit to the other."""
        for metric, sides in self.values.items():
            ratios = [adit / other for adit, other in zip(*(sides[side] for side in self.sides))
                      if other]
            yield (metric, {side: statistics.median(sides[side]) for side in self.sides},
                   statistics.median(ratios) if ratios else None)


def note_failures(case, side, answer):
    if answer["failed"]:
        case.note(f"{side.key}: {answer['failed']} failed")


def ratio_text(ratio):
    """0.031 is easier to read as 1/32."""
    if ratio is None:
        return "-"
    if ratio < 0.1:
        return f"1/{1 / ratio:.0f}" if ratio > 0 else "0"
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"


def heading():
    return f"{'':44}{'adit':>12}{OTHER_NAME:>12}   adit : {OTHER_NAME}"


def table(case):
    lines = [f"{case.bench}: {case.title}"]
    if case.sides != SIDES:
        lines.append(f"{'':44}{case.sides[0]:>12}{case.sides[1]:>12}   {' : '.join(case.sides)}")
    for metric, medians, ratio in case.rows():
        label, unit, decimals = METRICS[metric]
        numbers = "".join(f"{medians[side]:12,.{decimals}f}" for side in case.sides)
        lines.append(f"  {label + ', ' + unit:42}{numbers}   {ratio_text(ratio):>13}")
    return "\n".join(lines + [f"  ({note})" for note in case.notes])


def first_line(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return (done.stdout or done.stderr).strip().partition("\n")[0]


def congestion_control():
    """That of TCP: it decides who of two neighbours does the kernel's share of sending."""
    with open("/proc/sys/net/ipv4/tcp_congestion_control", encoding="ascii") as name:
        return name.read().strip()


def surroundings(descriptors):
    """What the numbers depend on besides the programs."""
    return {
        "processors": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "congestion_control": congestion_control(),
        "openssh": first_line("ssh", "-V"),
        "libssh": first_line("pkg-config", "--modversion", "libssh"),
        "load_average": os.getloadavg()[0],
        "descriptors": descriptors,
    }


def write_json(path, around, cases):
    results = [{
        "bench": case.bench, "case": case.title, "notes": case.notes,
        "metrics": {metric: {"unit": METRICS[metric][1], "values": case.values[metric],
                             "median": medians, "ratio": ratio}
                    for metric, medians, ratio in case.rows()},
    } for case in cases]
    with open(path, "w", encoding="ascii") as out:
        json.dump({"surroundings": around, "results": results}, out, indent=1)
        out.write("\n")
