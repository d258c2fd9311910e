"""Backbones: any timm model without its classifier, and what the network has to know about it."""

from __future__ import annotations

import difflib
from typing import Any

import timm
import torch
from timm.models._manipulate import group_parameters
from torch import Tensor, nn

from landmark.errors import UsageError


def create_backbone(name: str, image_size: int, pretrained: bool = False, classifier: bool = False) -> nn.Module:
    """Make a timm model for square inputs of `image_size` pixels.

    Transformers get their position embedding for this size, and follow other sizes where timm lets them.

    Args:
        name: timm model name, with or without a tag (`vit_small_patch16_224.augreg_in1k`).
        image_size: side of the input [pixels].
        pretrained: fetch the weights from timm's hub.
        classifier: keep the ImageNet classifier.

    Raises:
        UsageError: timm has no such model or tag.
    """
    check_backbone(name)
    keep: dict[str, Any] = {} if classifier else {"num_classes": 0}
    # Models differ in what they take; the constructor refuses unknown arguments before it builds anything.
    for sizes in ({"img_size": image_size, "dynamic_img_size": True}, {"img_size": image_size}):
        try:
            return _create(name, pretrained, **keep, **sizes)
        except TypeError:
            continue
    return _create(name, pretrained, **keep)


def _create(name: str, pretrained: bool, **options: Any) -> nn.Module:
    model: nn.Module = timm.create_model(name, pretrained=pretrained, **options)
    return model


def check_backbone(name: str) -> None:
    """Refuse a name that timm doesn't have, with the nearest names that it has.

    Raises:
        UsageError: names what is close.
    """
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        close = difflib.get_close_matches(architecture, timm.list_models(), n=3, cutoff=0.5)
        hint = f"did you mean {', '.join(close)}?" if close else "see timm.list_models() for the names"
        raise UsageError(f"network.backbone: timm has no model '{name}'; {hint}")
    tags = sorted(found.partition(".")[2] for found in timm.list_pretrained(f"{architecture}.*"))
    if tag and tag not in tags:
        raise UsageError(f"network.backbone: '{architecture}' has no weights tagged '{tag}'; tags: {', '.join(tags) or 'none'}")


def feature_map(backbone: nn.Module, images: Tensor) -> Tensor:
    """Last features of a backbone.

    Args:
        backbone: timm model.
        images: `[n, 3, h, w]`, normalised.

    Returns:
        A map `[n, c, h, w]`, or `[n, c]` for models whose features are tokens: those are pooled as the model's
        authors pool them (class token or mean), because layer-normalised tokens are signed and GeM is for
        activations that are not.
    """
    features = backbone.forward_features(images)  # type: ignore[operator]
    if isinstance(features, Tensor) and features.ndim == 4:
        return features.permute(0, 3, 1, 2) if getattr(backbone, "output_fmt", None) == "NHWC" else features
    pooled: Tensor = backbone.forward_head(features, pre_logits=True)  # type: ignore[operator]
    return pooled


def feature_shape(backbone: nn.Module, name: str, image_size: int) -> tuple[int, bool]:
    """Find by one pass how many channels the features have, and whether they are a map that still needs pooling.

    The pass goes backward too: parameters that take no part in the features (a head that is never run, say) stop requiring a
    gradient, as data-parallel training waits for ever for gradients that never come.

    Returns:
        (channels, whether the features are `[n, c, h, w]`).

    Raises:
        UsageError: the model can't take images of this size.
    """
    training = backbone.training
    backbone.eval()
    with torch.enable_grad():
        try:
            features = feature_map(backbone, torch.zeros(1, 3, image_size, image_size))
        except (RuntimeError, AssertionError) as error:
            reason = " ".join(str(error).split())[:200]
            usual = getattr(backbone, "pretrained_cfg", {}).get("input_size", (3, 224, 224))[-1]
            raise UsageError(
                f"network.image_size: '{name}' can't take {image_size} pixels ({reason}); it was made for {usual}"
            ) from error
        features.float().sum().backward()  # type: ignore[no-untyped-call]
    for parameter in backbone.parameters():
        parameter.requires_grad_(parameter.grad is not None)
    backbone.zero_grad(set_to_none=True)
    backbone.train(training)
    return int(features.shape[1]), features.ndim == 4


def parameter_stages(backbone: nn.Module) -> dict[str, int]:
    """Number the stage of each parameter, counted from the input (0 is the stem).

    timm says for nearly every model which parameters belong to the stem and to each stage or block (`group_matcher`, made
    for layer-wise learning rates). Where it doesn't, each child module with parameters is a stage, in order of definition.
    """
    names = [name for name, _ in backbone.named_parameters()]
    try:
        found = group_parameters(backbone, backbone.group_matcher(coarse=True), reverse=True)  # type: ignore[operator]
    except (AttributeError, NotImplementedError, TypeError):
        children = list(dict.fromkeys(name.partition(".")[0] for name in names))
        found = {name: children.index(name.partition(".")[0]) for name in names}
    used = sorted(set(found.values()))
    return {name: used.index(found[name]) for name in names}


def module_stages(backbone: nn.Module) -> list[list[nn.Module]]:
    """Largest modules that lie whole in one stage, by stage from the input. Modules without parameters are left out."""
    numbers = parameter_stages(backbone)
    stages: list[list[nn.Module]] = [[] for _ in range(max(numbers.values(), default=-1) + 1)]

    def visit(module: nn.Module, path: str) -> None:
        inside = {numbers[f"{path}{name}"] for name, _ in module.named_parameters() if f"{path}{name}" in numbers}
        if len(inside) == 1 and path:
            stages[inside.pop()].append(module)
        else:
            for name, child in module.named_children():
                visit(child, f"{path}{name}.")

    visit(backbone, "")
    return stages
