"""What the network looked at: class activation maps."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from landmark.network.backbone import feature_map
from landmark.network.network import PRETRAINED_POWER, Network
from landmark.network.pooling import gem, unit
from landmark.photos.decode import UnreadablePhoto, decode, resize

Pixels = NDArray[np.uint8]
Heat = NDArray[np.float32]
SHOWN_SIDE = 320
FINE_ENOUGH = 224


@dataclass(frozen=True)
class Explained:
    """A photo and where in it the similarity to a landmark's centroid comes from.

    Attributes:
        photo: URI.
        landmark: id of the centroid's landmark.
        similarity: to the centroid, -1 to 1.
        image: what is shown [h, w, 3]; the whole photo where the network sees the whole photo, else its crop.
        heat: [rows, columns] from 0 to 1, over `image`.
        size: side of the input that the heat was made from [pixels].
    """

    photo: str
    landmark: str
    similarity: float
    image: Pixels
    heat: Heat
    size: int


def explain_photos(
    network: Network, photos: Sequence[str], targets: NDArray[np.float32], landmarks: Sequence[str]
) -> list[Explained]:
    """Activation maps of a few photos; those that can't be read are left out.

    Args:
        network: any backbone.
        photos: URIs [n].
        targets: centroid to explain for each photo [n, embedding_dim], unit vectors.
        landmarks: landmark of each centroid [n].
    """
    explained = []
    size = map_size(network)
    for photo, target, landmark in zip(photos, targets, landmarks, strict=True):
        try:
            picture = decode(photo, min_side=max(SHOWN_SIDE, size)).image
        except UnreadablePhoto:
            continue
        similarity = float(embed_picture(network, picture) @ target)
        image, heat = explain_picture(network, picture, target, size)
        explained.append(Explained(str(photo), str(landmark), similarity, image, heat, size))
    return explained


def explain_picture(
    network: Network, picture: Image.Image, target: NDArray[np.float32], size: int | None = None
) -> tuple[Pixels, Heat]:
    """A picture as it is shown, and its activation map.

    Args:
        network: any backbone.
        picture: RGB image of any size; left as it is.
        target: unit vector [embedding_dim], the centroid to explain.
        size: side of the input that the map is made from [pixels]; None: `map_size`.

    Returns:
        what is shown [h, w, 3], its sides `SHOWN_SIDE` at most, and the heat over it [size, size] from 0 to 1.
    """
    resizing = network.config.resize
    heat = activation_map(network, resize(picture, size or map_size(network), resizing), target)
    if resizing == "crop":
        return resize(picture, min(SHOWN_SIDE, *picture.size), "crop"), heat
    small = picture.copy()
    small.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    return np.array(small, np.uint8), heat


def embed_picture(network: Network, picture: Image.Image) -> NDArray[np.float32]:
    """Unit vector [embedding_dim] of one RGB image, by the network itself: for a few photos; `Embedder` is for many."""
    pixels = torch.from_numpy(resize(picture, network.config.image_size, network.config.resize))[None]
    with _in_eval_mode(network), torch.inference_mode():
        vector: NDArray[np.float32] = network(network.normalise(pixels.to(_device(network))))[0].cpu().numpy()
    return vector


def map_size(network: Network) -> int:
    """Side of the input that activation maps are made from [pixels].

    A network for small photos has a map of few cells (4 x 4 of 128 pixels): where its backbone takes another size, its maps
    are made from photos at twice the size.
    """
    size = network.config.image_size
    if size >= FINE_ENOUGH:
        return size
    try:
        with _in_eval_mode(network), torch.inference_mode():
            feature_map(network.backbone, torch.zeros(1, 3, 2 * size, 2 * size, device=_device(network)))
    except (AssertionError, RuntimeError, ValueError):
        # Transformers with windows or position embeddings of one size refuse any other, each in its own way.
        return size
    return 2 * size


def activation_map(network: Network, image: Pixels, target: NDArray[np.float32] | None = None) -> Heat:
    """Where in a photo the similarity to a centroid comes from.

    The gradient of the similarity with respect to the last features, times the features, summed over channels, negative
    values dropped: HiResCAM (Draelos and Carin, arXiv 2011.08891), which unlike Grad-CAM (Selvaraju et al., ICCV 2017) does
    not average the gradient over positions: under GeM pooling it differs from one to the next. Where the pretrained
    features are part of the embedding, their map is added to that of the tuned ones. Of transformers, it is taken at the
    last layer whose patch tokens still matter: behind it, only the class token is read.

    Args:
        network: any backbone.
        image: photo as the network takes it [h, w, 3], RGB, already resized.
        target: unit vector [embedding_dim], the centroid in question. None: what makes up the pooled features at all.

    Returns:
        heat [h, w] from 0 to 1; all 0 where nothing in the photo speaks for the target.
    """
    height, width = image.shape[:2]
    try:
        with _in_eval_mode(network), torch.enable_grad():
            images = network.normalise(torch.from_numpy(np.ascontiguousarray(image))[None].to(_device(network)))
            evidence, score = _score(network, images, target)
            score.backward()  # type: ignore[no-untyped-call]
            heat = torch.stack([_resize(part(), height, width) for part in evidence]).sum(0)
    finally:
        network.zero_grad(set_to_none=True)
    heat = heat.clamp(min=0)
    top = heat.max()
    return (heat / top if top > 0 else heat).cpu().numpy().astype(np.float32)


def overlay(image: Pixels, heat: Heat, strength: float = 0.65) -> Pixels:
    """Lay heat over a photo.

    Args:
        image: [h, w, 3].
        heat: [any, any] from 0 to 1; brought to the size of the photo.
        strength: opacity of the hottest place, 0 to 1.

    Returns:
        [h, w, 3].
    """
    height, width = image.shape[:2]
    sized = Image.fromarray(np.asarray(heat, np.float32), mode="F").resize((width, height), Image.Resampling.BILINEAR)
    value = np.clip(np.asarray(sized, np.float32), 0, 1)[..., None]
    colours = np.asarray(matplotlib.colormaps["inferno"](value[..., 0]), np.float32)[..., :3] * 255
    opacity = strength * np.sqrt(value)
    mixed = image * (1 - opacity) + colours * opacity
    return np.asarray(np.clip(np.rint(mixed), 0, 255), np.uint8)


# Read after the backward pass: the evidence of one backbone at each position [rows, columns].
Evidence = Callable[[], Tensor]


def _score(network: Network, images: Tensor, target: NDArray[np.float32] | None) -> tuple[list[Evidence], Tensor]:
    """The evidence to be read after the backward pass, and what to go backward from."""
    if not network.is_tuned:
        evidence, pooled = _pool(network.backbone, images, lambda features: gem(features, PRETRAINED_POWER))
        parts, pooled_parts, embedding = [evidence], [pooled], unit(pooled)
    else:
        evidence, pooled = _pool(network.backbone, images, network.pool)
        tuned = unit(network.neck(pooled))
        parts, pooled_parts, embedding = [evidence], [pooled], tuned
        if network.anchor is not None:
            evidence, pretrained = _pool(network.anchor, images, lambda features: gem(features, PRETRAINED_POWER))
            parts.append(evidence)
            pooled_parts.append(pretrained)
            embedding = unit(torch.cat([network.config.keep_pretrained * unit(pretrained), tuned], dim=1))
    if target is None:
        return parts, torch.stack([pooled.norm() for pooled in pooled_parts]).sum()
    vector = torch.tensor(np.asarray(target, np.float32), device=embedding.device)
    if vector.shape != embedding.shape[1:]:
        raise ValueError(f"target must be [{embedding.shape[1]}], the network's embedding, got {list(vector.shape)}")
    return parts, embedding[0] @ vector


def _pool(backbone: nn.Module, images: Tensor, pool: Callable[[Tensor], Tensor]) -> tuple[Evidence, Tensor]:
    """Pooled features [1, c] of one backbone, and the evidence for what is later made of them."""
    tokens: list[Tensor] = []

    def keep(module: nn.Module, inputs: object, output: object) -> None:
        # A few models pass several tensors from block to block: tokens of two scales, or tokens and a size.
        for part in output if isinstance(output, tuple | list) else (output,):
            if isinstance(part, Tensor) and part.ndim == 3 and part.requires_grad:
                part.retain_grad()
                tokens.append(part)

    hooks = [module.register_forward_hook(keep) for module in backbone.modules()]
    try:
        # A frozen backbone builds no graph by itself.
        features = feature_map(backbone, images.detach().requires_grad_())
    finally:
        for hook in hooks:
            hook.remove()
    if features.ndim == 4:
        leaf = features.detach().float().requires_grad_()
        return lambda: _product(leaf)[0].sum(0), pool(leaf)
    prefix = getattr(backbone, "num_prefix_tokens", None)
    return lambda: _token_evidence(tokens, features.shape[1], prefix), features.float()


def _product(values: Tensor) -> Tensor:
    return values.detach() * values.grad if values.grad is not None else torch.zeros_like(values)


def _token_evidence(tokens: list[Tensor], channels: int, prefix: int | None) -> Tensor:
    """Evidence [rows, columns] at the last layer whose patch tokens have a gradient; zeros [1, 1] without such a layer.

    Args:
        tokens: outputs [1, tokens, channels] of all modules, in the order in which they ran.
        channels: of the features: layers of as many are looked at first, as others are the inside of a block.
        prefix: tokens before the patches; None: the model doesn't say.
    """
    for wanted in (True, False):
        for output in reversed(tokens):
            side = _side(output.shape[1], prefix)
            if side is None or (output.shape[2] == channels) != wanted:
                continue
            patches = _product(output)[0, -side * side :]
            if patches.any():
                return patches.sum(1).view(side, side)
    return torch.zeros(1, 1, device=tokens[0].device if tokens else None)


def _side(count: int, prefix: int | None) -> int | None:
    """Patches a side, of a square of tokens behind `prefix` others (not known: one at most); None: they are no square."""
    for before in (0, 1) if prefix is None else (prefix,):
        side = math.isqrt(max(count - before, 0))
        if side > 1 and side * side == count - before:
            return side
    return None


def _device(network: Network) -> torch.device:
    return next(network.parameters()).device


@contextlib.contextmanager
def _in_eval_mode(network: Network) -> Iterator[None]:
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)


def _resize(heat: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(heat.detach().float()[None, None], (height, width), mode="bilinear", align_corners=False)[0, 0]
