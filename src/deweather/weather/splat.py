"""Drawing streaks: lines of any sub-pixel position, length and width, added into maps."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

_SIGMAS = (0.4, 0.8, 1.6, 3.2, 6.4, 12.8)  # pixels; a streak goes to the nearest of these widths
_STEP = 0.75  # pixels between the points of a streak
_BORDERED = 4.0  # wider streaks are drawn beyond the borders too, where they reach in from
_CHUNK = 2_000_000  # points drawn at once, which bounds the memory
_BAND = (
    1 << 17
)  # pixels of a map that are blurred at once; what fits the cache is several times faster


def draw_streaks(
    shape: tuple[int, int, int],
    *,
    plane: Tensor,
    centre: Tensor,
    extent: Tensor,
    sigma: Tensor,
    mass: Tensor,
    depth: Tensor | None = None,
    scene_depth: Tensor | None = None,
) -> Tensor:
    """Add N streaks into P maps.

    Args:
        shape: (P, H, W).
        plane: (N,), which map each streak belongs to.
        centre: (N, 2), x and y of its middle in pixels.
        extent: (N, 2), x and y from its one end to the other, in pixels.
        sigma: (N,), Gaussian width across, in pixels.
        mass: (N,), what it adds per pixel of length, summed across.
        depth: (N,), distance in metres; with `scene_depth` the part behind the scene is left out.
        scene_depth: (P, H, W), metres.

    Returns:
        (P, H, W): the sum over streaks; each conserves its mass whatever its width.
    """
    planes, height, width = shape
    out = centre.new_zeros(shape)
    if plane.numel() == 0:
        return out
    edges = [(a * b) ** 0.5 for a, b in pairwise(_SIGMAS)]
    group = torch.bucketize(sigma, torch.tensor(edges, device=sigma.device))
    for g, blur in enumerate(_SIGMAS):
        chosen = torch.nonzero(group == g).squeeze(1)
        if chosen.numel() == 0:
            continue
        border = round(2 * blur) if blur > _BORDERED else 0
        size = (height + 2 * border, width + 2 * border)
        layer = centre.new_zeros(planes * size[0] * size[1])
        hidden = scene_depth
        if scene_depth is not None and border:
            hidden = F.pad(scene_depth[:, None], (border,) * 4, mode="replicate")
        for part in _chunks(chosen, extent):
            _add_points(
                layer,
                size,
                plane=plane[part],
                centre=centre[part] + border if border else centre[part],
                extent=extent[part],
                mass=mass[part],
                depth=None if depth is None else depth[part],
                scene_depth=hidden,
            )
        blurred = gaussian_blur(layer.view(planes, 1, *size), blur).squeeze(1)
        out += blurred[:, border : border + height, border : border + width]
    return out


def gaussian_blur(maps: Tensor, sigma: float) -> Tensor:
    """Blur (N, C, H, W) with a Gaussian of `sigma` pixels; nothing comes in from outside.

    Large maps are blurred in bands of rows, which overlap by the reach of the kernel.
    """
    reach = max(1, round(3 * sigma))
    x = torch.arange(-reach, reach + 1, device=maps.device, dtype=maps.dtype)
    kernel = torch.exp(-0.5 * (x / sigma) ** 2)
    kernel = kernel / kernel.sum()
    n, c, h, w = maps.shape
    flat = maps.reshape(n * c, 1, h, w)
    rows = max(4 * reach, _BAND // w, 1)
    bands = []
    for top in range(0, h, rows):
        bottom = min(h, top + rows)
        first, last = max(0, top - reach), min(h, bottom + reach)
        band = F.conv2d(flat[:, :, first:last], kernel.view(1, 1, 1, -1), padding=(0, reach))
        band = F.conv2d(band, kernel.view(1, 1, -1, 1), padding=(reach, 0))
        bands.append(band[:, :, top - first : bottom - first])
    return (bands[0] if len(bands) == 1 else torch.cat(bands, 2)).view(n, c, h, w)


def _counts(extent: Tensor) -> Tensor:
    return (extent.norm(dim=1) / _STEP).ceil().clamp_min(1).long()


def _chunks(chosen: Tensor, extent: Tensor) -> list[Tensor]:
    total = torch.cumsum(_counts(extent[chosen]), 0)
    pieces = int(total[-1]) // _CHUNK + 1
    return [part for part in chosen.tensor_split(pieces) if part.numel()]


def _add_points(
    layer: Tensor,
    size: tuple[int, int],
    *,
    plane: Tensor,
    centre: Tensor,
    extent: Tensor,
    mass: Tensor,
    depth: Tensor | None,
    scene_depth: Tensor | None,
) -> None:
    """Add points spread evenly over each streak to the flat `layer`, each onto its four pixels."""
    height, width = size
    counts = _counts(extent)
    owner = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)
    first = torch.cumsum(counts, 0) - counts
    index = torch.arange(len(owner), device=owner.device) - first[owner]
    place = ((index + 0.5) / counts[owner] - 0.5).to(centre.dtype)
    xy = centre[owner] + place[:, None] * extent[owner]
    amount = (mass * extent.norm(dim=1).clamp_min(1e-3) / counts)[owner]
    corner = xy.floor()
    # Points whose four pixels all lie outside are dropped before the costly part.
    near = (
        (corner[:, 0] >= -1)
        & (corner[:, 0] < width)
        & (corner[:, 1] >= -1)
        & (corner[:, 1] < height)
    )
    kept = torch.nonzero(near).squeeze(1)
    xy, corner, owner, amount = xy[kept], corner[kept], owner[kept], amount[kept]
    fx, fy = (xy - corner).unbind(1)
    x0, y0 = corner.long().unbind(1)
    base = plane[owner] * (height * width)
    distance = None if depth is None else depth[owner]
    for dy, share_y in ((0, 1 - fy), (1, fy)):
        for dx, share_x in ((0, 1 - fx), (1, fx)):
            x, y = x0 + dx, y0 + dy
            value = share_x * share_y * amount
            value = value * ((x >= 0) & (x < width) & (y >= 0) & (y < height))
            target = base + y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
            if distance is not None and scene_depth is not None:
                value = value * (distance < scene_depth.reshape(-1)[target])
            layer.index_add_(0, target, value)
