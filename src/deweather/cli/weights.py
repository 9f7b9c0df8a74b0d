"""`deweather weights`: the checkpoints that ship with the package, and their cards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from deweather.cli.console import say, say_json, say_table

if TYPE_CHECKING:
    from deweather.weights import Card

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

app = typer.Typer(invoke_without_command=True, rich_markup_mode=None)


@app.callback()
def weights(context: typer.Context, as_json: Json = False) -> None:
    """List the bundled weights; `deweather weights show NAME` prints the card of one."""
    if context.invoked_subcommand is not None:
        return
    from deweather.weights import list_weights, read_card

    cards = [read_card(name) for name in list_weights()]
    if as_json:
        say_json([card.model_dump() for card in cards])
        return
    if not cards:
        say("No weights are bundled. Give a weights file to --weights.")
        return
    say_table(
        ["name", "task", "parameters", "size (MiB)", "licence"],
        [(c.name, c.task, f"{c.parameters:,}", f"{c.size / 2**20:.1f}", c.licence) for c in cards],
    )
    for card in cards:
        say()
        _say_evidence(card)


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="Name of bundled weights.")], as_json: Json = False
) -> None:
    """Print the card of bundled weights."""
    from deweather.weights import read_card

    card = read_card(name)
    if as_json:
        say_json(card.model_dump())
        return
    facts = {
        "name": card.name,
        "task": card.task,
        "parameters": f"{card.parameters:,}",
        "size": f"{card.size:,} bytes",
        "sha256": card.sha256,
        "licence": card.licence,
        "recipe": f"{card.recipe} at {card.commit}",
        "training": card.training,
        "trained on": ", ".join(card.data.sets),
        "its licences": card.data.licences,
        "weather": card.data.weather,
    }
    for key, value in facts.items():
        say(f"{key + ':':<14} {value}")
    say()
    _say_evidence(card)


def _say_evidence(card: Card) -> None:
    """Scores with their protocol, and limits."""
    say(f"{card.name}: mean PSNR of the degraded and of the restored pictures against clean ones")
    if card.scores:
        say_table(
            ["set", "pictures", "before (dB)", "after (dB)", "gain (dB)", "protocol"],
            [
                (
                    s.set,
                    s.pictures,
                    f"{s.before:.2f}",
                    f"{s.after:.2f}",
                    f"{s.after - s.before:+.2f}",
                    s.protocol,
                )
                for s in card.scores
            ],
        )
    else:
        say("no scores yet")
    for limit in card.limits:
        say(f"Limit: {limit}")
