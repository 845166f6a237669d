#!/usr/bin/env python3
"""Writes zones.txt from the time zone database as Python reads it (needs `pip install tzdata`).

Instants around each change of the clock: the last second before it, the change, and half an hour after it.
"""

import importlib.resources
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

ZONES = [
    "Europe/Berlin", "Europe/Dublin", "Europe/Lisbon", "America/New_York", "America/Santiago", "America/Nuuk", "America/St_Johns",
    "Africa/Cairo", "Asia/Jerusalem", "Asia/Beirut", "Asia/Kathmandu", "Asia/Tokyo", "Australia/Lord_Howe",
    "Australia/Sydney", "Pacific/Chatham",
]
# The rule at the end of a zone's file holds from now on.
YEARS = [2027, 2028, 2033]


def rule(zone):
    folder, name = zone.split("/")
    return importlib.resources.files(f"tzdata.zoneinfo.{folder}").joinpath(name).read_bytes().split(b"\n")[-2].decode()


def line(zone, at):
    wall = at.astimezone(ZoneInfo(zone))
    naive = wall.replace(tzinfo=None)
    both = {naive.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(timezone.utc) for fold in (0, 1)}
    reading = "only" if len(both) == 1 else "first" if at == min(both) else "second"
    return f"{rule(zone)} {at:%Y-%m-%dT%H:%M:%SZ} {naive:%Y-%m-%dT%H:%M:%SZ} {reading}"


def main():
    lines = ["# rule, instant, wall, reading"]
    for zone in ZONES:
        for year in YEARS:
            at = datetime(year, 1, 1, tzinfo=timezone.utc)
            lines.append(line(zone, at))
            while at.year == year:
                after = at + timedelta(minutes=15)
                if at.astimezone(ZoneInfo(zone)).utcoffset() != after.astimezone(ZoneInfo(zone)).utcoffset():
                    lines += [line(zone, moment) for moment in (after - timedelta(seconds=1), after, after + timedelta(minutes=30))]
                at = after
    Path(__file__).with_name("zones.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
