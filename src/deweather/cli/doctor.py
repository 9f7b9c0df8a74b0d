"""`deweather doctor`: is everything here that restoring needs, and does it work?"""

from __future__ import annotations

from dataclasses import asdict

import typer

from deweather.cli.console import one_line, say, say_json
from deweather.cli.options import Device, Json


def doctor(device: Device = "auto", as_json: Json = False) -> None:
    """Check the installation: versions, devices, bundled weights, and a self-test.

    Exit code 1 if a check fails.
    """
    from deweather.inference.devices import pick_device
    from deweather.jobs.self_test import (
        check_restoring,
        check_weights,
        find_devices,
        find_versions,
    )

    pick_device(device)
    versions, devices = find_versions(), find_devices()
    checks = [*check_weights(), *check_restoring(device)]
    ok = all(check.ok for check in checks)
    if as_json:
        shown = [asdict(check) for check in checks]
        say_json({"ok": ok, "versions": versions, "devices": devices, "checks": shown})
    else:
        for name, version in versions.items():
            say(f"{name:<10} {version}")
        for found in devices:
            say(f"{'device':<10} {found}")
        for check in checks:
            say(f"{'ok' if check.ok else 'FAILED':<10} {check.name}: {one_line(check.detail)}")
    if not ok:
        raise typer.Exit(1)
