"""The verbs, put together, and what is done with the errors that they raise."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from deweather._version import __version__
from deweather.cli import data, demo, doctor, evaluate, models, restore, simulate, train, weights
from deweather.cli.console import say
from deweather.errors import DeweatherError


class Verbs(TyperGroup):
    """Prints the errors of this package as one line and leaves all others their traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the verb; exit 2 on an error of this package, 130 on Ctrl-C."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            # Typer passes on how pydantic classes an error, which says nothing to a user.
            error.message = error.message.removeprefix("Value error, ")
            raise
        except DeweatherError as error:
            say(f"Error: {error}", error=True)
            raise typer.Exit(2) from error
        except KeyboardInterrupt as interrupt:
            say("Interrupted.", error=True)
            raise typer.Exit(130) from interrupt


app = typer.Typer(
    cls=Verbs,
    help="Takes haze and rain out of single pictures and rectified stereo pairs.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        say(f"deweather {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Hold the options that come before the verb."""


app.command("restore", cls=restore.RestoreCommand)(restore.restore)
app.command("models")(models.models)
app.add_typer(weights.app, name="weights")
app.add_typer(data.app, name="data")
app.command("doctor")(doctor.doctor)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("demo")(demo.demo)
app.command("simulate")(simulate.simulate)
