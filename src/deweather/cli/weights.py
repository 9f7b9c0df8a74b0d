"""`deweather weights`: the checkpoints that ship with the package, and their cards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deweather.cli.console import one_line, say, say_json, say_table
from deweather.cli.options import Json
from deweather.errors import WeightsError

if TYPE_CHECKING:
    from deweather.weights import Card

app = typer.Typer(invoke_without_command=True, rich_markup_mode=None)


@app.callback()
def weights(context: typer.Context, as_json: Json = False) -> None:
    """List the bundled weights; `deweather weights show NAME` prints the card of one."""
    if context.invoked_subcommand is not None:
        if as_json:
            raise typer.BadParameter("give it after the command's name.", param_hint="--json")
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
    name: Annotated[
        str, typer.Argument(metavar="NAME|FILE", help="Bundled weights, or a weights file.")
    ],
    as_json: Json = False,
) -> None:
    """Print the card of bundled weights, or what a weights file and the card beside it say."""
    from deweather.weights import find_weights, list_weights, read_card

    if name not in list_weights():
        try:
            path = find_weights(name)
        except OSError as error:  # such as a name that is too long for a file
            raise WeightsError(f"{name}: {error.strerror}. Check the path.") from error
        _show_file(path, as_json)
        return
    card = read_card(name)
    if as_json:
        say_json(card.model_dump())
    else:
        _say_card(card)


@app.command("import")
def import_checkpoint(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The authors' checkpoint, as torch saved it.")
    ],
    *,
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="File to write, .safetensors; a card, .toml, is put beside it."
        ),
    ],
    method: Annotated[
        str | None,
        typer.Option(help="psidnet, apanet, kanet or dcmpnet; recognised if it is left out."),
    ] = None,
    corrected: Annotated[
        bool, typer.Option("--corrected", help="Without the bugs of the released code.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file and its card.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make a weights file of an authors' checkpoint, for `deweather restore --weights FILE`.

    The network behaves as the authors released it unless --corrected is given.
    """
    from deweather.weights.imported import import_weights

    card = import_weights(file, out, name=method, as_released=not corrected, overwrite=overwrite)
    if as_json:
        say_json(card.model_dump())
        return
    say(f"{one_line(out)}: takes out {card.task}, {card.parameters:,} parameters.")
    say(
        "Use it with: deweather restore PICTURE --out DIR "
        f"--weather {card.task} --weights {one_line(out)}"
    )


def _show_file(path: Path, as_json: bool) -> None:
    from deweather.weights.files import describe_file

    facts = describe_file(path)
    if as_json:
        say_json(facts)
        return
    card, note = facts.pop("card"), facts.pop("note")
    shown = {"switches": json.dumps(facts["switches"]), "size": f"{facts['size']:,} bytes"}
    _say_facts({**facts, **shown, "card": note or "the one beside it, as follows"})
    if card is None:
        return
    from deweather.weights import Card

    say()
    try:
        _say_card(Card(**card))
    except (TypeError, ValueError):  # a card of other keys than those of the bundled weights
        _say_facts({k: v if isinstance(v, str) else json.dumps(v) for k, v in card.items()})


def _say_facts(facts: dict[str, str]) -> None:
    for key, value in facts.items():
        say(f"{key + ':':<14} {one_line(value)}")


def _say_card(card: Card) -> None:
    facts = {
        "name": card.name,
        "task": card.task,
        "parameters": f"{card.parameters:,}",
        "size": f"{card.size:,} bytes",
        "sha256": card.sha256,
        "licence": card.licence,
        "recipe": card.recipe if card.origin else f"{card.recipe} at {card.commit}",
        "training": card.training,
        "trained on": ", ".join(card.data.sets) or "not recorded",
        "its licences": card.data.licences,
        "weather": card.data.weather,
    }
    if card.origin is not None:
        facts["imported from"] = f"{card.origin.file}, sha256 {card.origin.sha256}"
        facts["behaviour"] = card.origin.behaviour
    _say_facts(facts)
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
