"""The sections of a recipe, each a small typed record; `recipe.py` puts them together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Decay = Annotated[float, Field(ge=0, lt=1)]
"""Of a running mean."""


class Section(BaseModel):
    """Refuses unknown keys, numbers that are not finite, and changes after the fact."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    renamed: ClassVar[dict[str, str]] = {}
    """Keys of earlier versions and what they are called now, for messages."""


class ModelSection(Section):
    """Which network is trained."""

    name: str = Field(description="variant, see `deweather models`")
    switches: dict[str, Any] = Field(default_factory=dict)
    weights: str | None = Field(
        None, description="bundled name or file to start from; null starts at random"
    )


class PhaseSection(Section):
    """A part of the run with crops of its own: progressive patches."""

    start: int = Field(ge=1, description="first step of this phase")
    patch: int = Field(ge=16, description="side of the crops, pixels")
    batch_pictures: int = Field(ge=2, description="pictures in a batch")

    renamed: ClassVar[dict[str, str]] = {"views": "batch_pictures"}


class PhotometricSection(Section):
    """Random changes of colour, the same in pictures and their truth."""

    saturation: tuple[float, float] = Field((1.0, 1.0), description="factors, least and most")
    gamma: tuple[float, float] = Field((1.0, 1.0), description="exponents, least and most")
    gain: tuple[float, float] = Field((1.0, 1.0), description="factors of each channel")
    separate: bool = Field(False, description="drawn for each view; else both change alike")


class SetSection(Section):
    """One data set on disk: pictures with their truth, or clear ones that weather is put into."""

    folder: Path = Field(description="below data.folder or --data if these are given")
    layout: str = Field(description="see `deweather data layouts`")
    split: str | None = Field(None, description="train, val or test; null: all")
    weight: float = Field(1.0, gt=0, description="how often its batches come")
    singles: bool = Field(False, description="the views of pairs as pictures of their own")
    mirror: bool = Field(True, description="of pictures with truth: mirror half of them")
    quarter_turns: bool = Field(False, description="of single pictures with truth: turn them")
    scales: tuple[float, float] = Field(
        (1.0, 1.0), description="of pictures with truth: reduction before cropping, least, most"
    )
    photometric: PhotometricSection | None = Field(None, description="of pictures with truth")


class DataSection(Section):
    """What a run sees: clean scenes for its weather by default, or data sets."""

    folder: Path | None = Field(None, description="clean pictures; --data comes first")
    sets: tuple[SetSection, ...] = Field(
        (), description="data sets to mix; empty: the folder's mono/, stereo/ and stereo_gt/"
    )
    patch: int = Field(128, ge=16, description="side of the crops, pixels")
    batch_pictures: int = Field(16, ge=2, description="pictures in a batch, over all devices")
    stereo_share: float = Field(0.5, ge=0, le=1, description="share of stereo batches")
    layered_share: float = Field(
        0.5, ge=0, le=1, description="share of stereo cut from photographs"
    )
    scales: tuple[float, float] = Field(
        (0.3, 1.0), description="reduction before cropping, least, most"
    )
    phases: tuple[PhaseSection, ...] = Field(
        (), description="later parts of the run with other crops, by their first step"
    )

    renamed: ClassVar[dict[str, str]] = {"views": "batch_pictures"}

    @model_validator(mode="after")
    def _in_order(self) -> DataSection:
        starts = [phase.start for phase in self.phases]
        if sorted(set(starts)) != starts:
            raise ValueError(f"phases start at {starts}; give rising steps")
        if not 0 < self.scales[0] <= self.scales[1]:
            raise ValueError(
                f"scales are {list(self.scales)}; give the least and the most, above 0"
            )
        return self


class WeatherSection(Section):
    """What weather is put into them."""

    kind: Literal["haze", "rain", "photograph", "varied haze", "varied rain"] = Field(
        description="photograph: haze among low light, coloured air, blur, noise and JPEG; "
        "varied: of all kinds that photographs and published sets show"
    )
    clear_share: float = Field(0.2, ge=0, le=1, description="share of pictures in clear weather")
    keep_veil: bool = Field(
        False,
        description="rain: take off the streaks alone, leave mist and veil to the haze network",
    )
    keep_light: bool = Field(
        True,
        description="photograph, varied haze: take off the weather alone, leave low light as it is",
    )
    framed_share: float = Field(
        0.0, ge=0, le=1, description="varied: share of pictures with a frame or bars, which stay"
    )

    @property
    def task(self) -> Literal["haze", "rain"]:
        """What the weights will be for."""
        return "rain" if self.kind.endswith("rain") else "haze"


class DevSection(Section):
    """Scenes that are never trained on: the best weights are chosen by them."""

    folder: Path = Field(description="not below data.folder")
    layout: str | None = Field(
        None, description="of a data set; null: mono/, stereo/ and stereo_gt/ with clean pictures"
    )
    split: Literal["train", "val"] | None = Field(
        None, description="of the data set; null: all, which may hold no test pictures"
    )
    every: int = Field(500, gt=0, description="steps between scores")
    batches: int = Field(4, gt=0, description="how many are scored, the same ones each time")


class FeatureSection(Section):
    """The frozen network whose features perceptual losses compare."""

    kind: Literal["vgg19", "encoder", "random"] = Field(
        "vgg19",
        description="VGG-19; the encoder of one of this project's networks; or a random one",
    )
    weights: str | None = Field(
        None,
        description="VGG-19's file (null: the published one, fetched once), or the encoder's weights",
    )
    input: Literal["imagenet", "signed", "plain"] = Field(
        "imagenet", description="what VGG-19 is given; DCMPNet's authors gave signed"
    )

    @model_validator(mode="after")
    def _named(self) -> FeatureSection:
        if self.kind == "encoder" and self.weights is None:
            raise ValueError("an encoder needs weights; name bundled ones or a file")
        return self


class CharbonnierSection(Section):
    """Charbonnier plus weighted frequency L1: StereoIRR."""

    kind: Literal["charbonnier"] = "charbonnier"
    charbonnier_eps: float = Field(1e-3, gt=0)
    frequency_weight: float = Field(0.1, ge=0)
    transmission_weight: float = Field(
        0.0, ge=0, description="L1 of the transmission, of networks with output: scattering"
    )
    airlight_weight: float = Field(0.0, ge=0, description="L1 of the airlight, of such networks")


class StagesSection(Section):
    """L1 plus weighted frequency L1 of every stage's pictures: PSIDNet."""

    kind: Literal["stages"]
    frequency_weight: float = Field(0.1, ge=0)
    early_stages: bool = Field(True, description="false: the final pictures alone")


class SsimSection(Section):
    """1 - SSIM: APANet on synthetic rain."""

    kind: Literal["ssim"]


class DistillationSection(Section):
    """1 - SSIM on synthetic pairs, and a teacher of single pictures on real ones: APANet's second stage.

    A weight of 0 leaves its term out.
    """

    kind: Literal["distillation"]
    teacher: str = Field(description="weights trained on single pictures, bundled or a file")
    real: Path = Field(
        description="real pictures, which have no truth; below data.folder or --data"
    )
    real_layout: str = Field("real-stereo", description="or real, for single pictures")
    real_batch_pictures: int = Field(
        2,
        ge=1,
        description="real pictures in a batch, over all devices; data.phases change it as they "
        "change data.batch_pictures",
    )
    real_mirror: bool = Field(True, description="mirror half of them")
    total_variation: float = Field(5e-5, ge=0)
    dark_channel: float = Field(1e-6, ge=0)
    dark_window: int = Field(35, ge=1, description="pixels, odd")
    dark_across_views: bool = Field(
        False, description="as released: some dark channels mix left and right"
    )
    contrastive: float = Field(2e-3, ge=0)
    features: FeatureSection = FeatureSection()

    renamed: ClassVar[dict[str, str]] = {"real_views": "real_batch_pictures"}


class ReweightedSection(Section):
    """L1 with samples weighted so that features decorrelate, and a contrastive term: KA-Net."""

    kind: Literal["reweighted"]
    reweighting: bool = True
    functions: int = Field(5, ge=1, description="random Fourier functions a feature")
    dimensions: int = Field(64, ge=2, description="features drawn at random each step")
    inner_steps: int = Field(20, ge=1)
    penalty: float = Field(0.2, ge=0, description="of weights that differ: λ")
    memory: float = Field(0.9, ge=0, lt=1, description="momentum of remembered features; 0: none")
    contrastive: float = Field(0.05, ge=0)
    features: FeatureSection = FeatureSection()


class DepthSection(Section):
    """Dehazing and depth, each weighted by the other's errors: DCMPNet."""

    kind: Literal["depth"]
    truth: Literal["scenes", "measured", "teacher"] = Field(
        "scenes",
        description="depth that the haze was made with; of measured or matched pairs alone; "
        "or of a network",
    )
    teacher: str | None = Field(None, description="weights of a network that gives `depth`")
    updates: Literal["joint", "alternating"] = "joint"
    weighting: Literal["corrected", "released"] = Field(
        "corrected", description="released: signed differences whose weights all but vanish"
    )
    dehazing_weighs_depth: bool = True
    depth_weighs_dehazing: bool = True
    restoration: float = Field(
        1.0, gt=0, description="weight of the picture's error in the dehazing loss"
    )
    depth: float = Field(0.1, ge=0, description="weight of the depth error in the dehazing loss")
    contrastive: float = Field(1.0, ge=0)
    random_projections: bool = Field(
        False,
        description="as released: deepest features pass through random layers, others for each",
    )
    features: FeatureSection = FeatureSection()

    @model_validator(mode="after")
    def _taught(self) -> DepthSection:
        if (self.truth == "teacher") != (self.teacher is not None):
            raise ValueError("truth: teacher and the teacher's weights belong together")
        return self


class OptimizerSection(Section):
    """Adam, AdamW or Muon with a linear warm-up; then the rate falls by a cosine or in halves."""

    kind: Literal["adamw", "adam", "muon"] = Field(
        "adamw", description="muon: for matrices and convolutions; AdamW for the rest"
    )
    rate: float = Field(1e-3, gt=0)
    final_rate: float = Field(1e-7, ge=0, description="cosine: the rate at the end")
    schedule: Literal["cosine", "halving"] = "cosine"
    halvings: int = Field(6, ge=0, description="halving: how often, at equal distances")
    warmup: int = Field(200, ge=0, description="steps")
    betas: tuple[Decay, Decay] = (0.9, 0.9)
    weight_decay: float = Field(0.0, ge=0)
    clip: float | None = Field(1.0, gt=0, description="largest norm of the gradient; null: any")
    accumulate: int = Field(1, ge=1, description="batches whose gradients make one step")


class GuardSection(Section):
    """When a step is left out: what came is not finite, or far above what is usual."""

    explosion: float = Field(10.0, gt=1, description="loss in units of the usual loss")
    patience: int = Field(10, ge=1, description="steps left out in a row that stop the run")
