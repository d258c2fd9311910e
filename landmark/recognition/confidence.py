"""How sure a score makes us: a logistic function fitted to photos whose answer is known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

PRIOR = 0.02
"""Share of photos that show a landmark: 1 to 3 % of the photos that users upload (Boiarov and Tyantov, CIKM 2019)."""


def logistic(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + exp(-x)), without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * log_odds)))


def fit_confidence(others: NDArray[Any], landmarks: NDArray[Any], right: NDArray[np.bool_]) -> tuple[float, float]:
    """Fit how sure a score makes us that the best candidate is right.

    Logistic regression of the right landmark photos against the others, both weighing the same, after which the intercept
    is moved to `PRIOR` (King and Zeng, "Logistic regression in rare events data", 2001, prior correction). Landmark photos
    with a wrong candidate weigh among the others what they will weigh there after that. Targets are smoothed as in Platt
    ("Probabilistic outputs for support vector machines", 1999), so that classes that a score separates perfectly still
    have a finite slope; at a prior of 2 % that smoothing would make one in a few hundred of the others a landmark, as
    many as there are, and the slope far too flat.

    Args:
        others: scores of non-landmark photos [m].
        landmarks: scores of landmark photos that placed no centroid [n].
        right: whether the best candidate of each of these is right [n].

    Returns:
        slope (at least 0) and intercept of the log-odds; the prior alone where there is nothing to fit.
    """
    odds = PRIOR / (1 - PRIOR)
    if not len(landmarks) or not right.any() or not len(others):
        return 0.0, math.log(odds)
    score = np.concatenate([others, landmarks])
    positive = np.concatenate([np.zeros(len(others), bool), right])
    weight = np.concatenate([np.full(len(others), 0.5 / len(others)), np.where(right, 0.5, 0.5 * odds) / len(landmarks)])
    yes = positive.sum()
    target = np.where(positive, (yes + 1) / (yes + 2), 1 / (len(score) - yes + 2))
    centre, spread = float(score.mean()), float(score.std()) or 1.0
    design = np.stack([(score - centre) / spread, np.ones(len(score))], axis=1)
    beta = np.zeros(2)

    def loss(beta: NDArray[Any]) -> float:
        logit = design @ beta
        return float((weight * (np.logaddexp(0, logit) - target * logit)).sum())

    for _ in range(100):
        chance = logistic(design @ beta)
        gradient = design.T @ (weight * (chance - target))
        hessian = design.T @ (design * (weight * chance * (1 - chance))[:, None]) + 1e-10 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while loss(beta - size * step) > loss(beta) and size > 1e-6:
            size /= 2
        beta = beta - size * step
        if np.abs(size * step).max() < 1e-9:
            break
    if beta[0] <= 0:  # a score that tells nothing: the share of right photos alone
        share = float((weight * target).sum() / weight.sum())
        return 0.0, math.log(odds * share / (1 - share))
    slope = float(beta[0]) / spread
    return slope, float(beta[1]) + math.log(odds) - slope * centre
