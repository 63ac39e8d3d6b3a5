"""The text model: words and characters (TF-IDF), a linear classifier, learned from the catalogue at start.

It learns from what the catalogue says about each type of matter: its name, its keywords, its example sentences.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jieba
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline

from services.routing.domain.register import MatterType

LARGEST_TEXT = 4000
"""Characters of a text that are read; the rest hardly changes what it is about."""
STRENGTH = 1.0
"""Inverse strength of regularisation; tried by holding out examples of the demo's catalogue."""
SHARPNESS = 6.0
"""How much the distances between types are stretched: few examples per type leave the plain chances almost even."""

jieba.setLogLevel(logging.WARNING)


def words(text: str) -> list[str]:
    """The words of a text, without blanks and punctuation."""
    return [word for word in jieba.cut(text) if len(word) > 1 or word.isalnum()]


@dataclass(frozen=True, slots=True)
class Scored:
    """A matter type with its score, 0 to 1; the scores of a text add up to 1."""

    code: str
    score: float


class TextModel:
    """A classifier of texts into matter types."""

    def __init__(self, types: Sequence[MatterType]) -> None:
        """Learn from the catalogue, which needs at least two types; takes about a second."""
        for item in types:
            for word in item.keywords:
                jieba.add_word(word)
        texts: list[str] = []
        labels: list[str] = []
        for item in types:
            for text in (item.name, " ".join(item.keywords), *item.examples):
                if text:
                    texts.append(text)
                    labels.append(item.code)
        self._pipeline = Pipeline(
            [
                (
                    "features",
                    FeatureUnion(
                        [
                            ("words", TfidfVectorizer(tokenizer=words, token_pattern=None, sublinear_tf=True)),
                            ("characters", TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True)),
                        ]
                    ),
                ),
                ("linear", LogisticRegression(C=STRENGTH, max_iter=300)),
            ]
        )
        self._pipeline.fit(texts, labels)
        self.codes: list[str] = [str(code) for code in self._pipeline.named_steps["linear"].classes_]
        self.examples = len(texts)

    def classify(self, texts: Sequence[str], *, most: int = 10) -> list[list[Scored]]:
        """For each text the best ``most`` matter types, best first."""
        if not texts:
            return []
        distances: Any = self._pipeline.decision_function([text[:LARGEST_TEXT] for text in texts])
        if distances.ndim == 1:  # two types only: one distance, of the second from the first
            distances = np.column_stack([-distances / 2, distances / 2])
        stretched = np.exp(SHARPNESS * (distances - distances.max(axis=1, keepdims=True)))
        chances: Any = stretched / stretched.sum(axis=1, keepdims=True)
        best = np.argsort(-chances, axis=1)[:, :most]
        return [
            [Scored(self.codes[column], round(float(chances[row, column]), 4)) for column in best[row]]
            for row in range(len(texts))
        ]
