"""Simple models to stand beside ours: shares or means of the training rows, and scikit-learn's on plain features."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from feilun.core import discover
from feilun.core.task import Json, Rows

Answer = Callable[[Rows], list[Json]]
MOST_ROWS = 20_000  # rows a linear baseline is fitted on, drawn evenly: beyond, it hardly gains and takes minutes
MOST_ROWS_TREES = 100_000
MOST_PICTURES = 8_000
TREES = {"max_iter": 300, "learning_rate": 0.1, "max_leaf_nodes": 31}
SIDE = 28  # pixels of a picture's longer side that the linear baseline sees
NOT_KNOWN = "(missing)"


def classifiers(rows: Rows, truths: Sequence[Json], kinds: Mapping[str, str], seed: int) -> dict[str, Answer]:
    """Baselines of a classification.  truths: a label per row, or a list of labels per row.  kinds: {column: kind}."""
    if truths and isinstance(truths[0], list):
        labels = sorted({label for row in truths for label in row})
        marks = np.array([[label in row for label in labels] for row in truths], np.int64)
        return _of_several(rows, marks, labels, kinds, seed)
    labels = sorted(set(truths))
    places = {label: place for place, label in enumerate(labels)}
    truth = np.array([places[label] for label in truths], np.int64)
    shares = np.bincount(truth, minlength=len(labels)) / len(truth)
    found: dict[str, Answer] = {}
    if len(labels) > 1:
        if _is_table(kinds):
            found["gradient_boosting"] = _one_label(_trees(rows, truth, kinds, seed, classes=True), labels)
        found["logistic_regression"] = _one_label(_logistic(rows, truth, kinds, seed), labels)
    found["most_frequent"] = _one_label(lambda asked: np.tile(shares, (_count(asked), 1)), labels)
    return found


def regressors(rows: Rows, truths: np.ndarray, names: Sequence[str], kinds: Mapping[str, str], seed: int) -> Any:
    """Baselines of a regression: {baseline: Answer}.  truths: float (N, targets); names: of the targets."""
    found: dict[str, Answer] = {}
    if _is_table(kinds):
        parts = [_trees(rows, truth, kinds, seed, classes=False) for truth in truths.T]
        found["gradient_boosting"] = _numbers(lambda asked: np.stack([part(asked) for part in parts], 1), names)
    found["ridge_regression"] = _numbers(_ridge(rows, truths, kinds, seed), names)
    mean = truths.mean(0)
    found["mean"] = _numbers(lambda asked: np.tile(mean, (_count(asked), 1)), names)
    return found


def _of_several(
    rows: Rows, marks: np.ndarray, labels: Sequence[str], kinds: Mapping[str, str], seed: int
) -> dict[str, Answer]:
    shares = marks.mean(0)
    usable = [place for place in range(len(labels)) if 0 < shares[place] < 1]
    fitted = {place: _logistic(rows, marks[:, place], kinds, seed) for place in usable}

    def logistic(asked: Rows) -> np.ndarray:
        chances = np.tile(shares, (_count(asked), 1))
        for place, predict in fitted.items():
            chances[:, place] = predict(asked)[:, 1]
        return chances

    return {
        "logistic_regression": _labels(logistic, labels),
        "most_frequent": _labels(lambda asked: np.tile(shares, (_count(asked), 1)), labels),
    }


def _logistic(rows: Rows, truth: np.ndarray, kinds: Mapping[str, str], seed: int) -> Callable[[Rows], np.ndarray]:
    """Logistic regression with L2; chances (N, classes)."""
    from sklearn.linear_model import LogisticRegression

    sample = _sample(len(truth), kinds, seed, truth)
    encode, inputs = _features(_taken(rows, kinds, sample), kinds)
    model = LogisticRegression(C=4.0 if "text" in kinds.values() else 1.0, max_iter=200)
    present = np.unique(truth[sample])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not having converged after 200 steps is good enough for a baseline
        model.fit(inputs, truth[sample])
    classes = int(truth.max()) + 1

    def predict(asked: Rows) -> np.ndarray:
        chances = np.zeros((_count(asked), classes))
        chances[:, present] = model.predict_proba(encode(asked))
        return chances

    return predict


def _ridge(rows: Rows, truths: np.ndarray, kinds: Mapping[str, str], seed: int) -> Callable[[Rows], np.ndarray]:
    from sklearn.linear_model import Ridge

    sample = _sample(len(truths), kinds, seed)
    encode, inputs = _features(_taken(rows, kinds, sample), kinds)
    model = Ridge(alpha=1.0).fit(inputs, truths[sample])
    return lambda asked: np.asarray(model.predict(encode(asked))).reshape(_count(asked), -1)


def _trees(rows: Rows, truth: np.ndarray, kinds: Mapping[str, str], seed: int, *, classes: bool) -> Any:
    """Histogram gradient boosting, scikit-learn's settings but more trees: Rows -> chances (N, classes) or (N,)."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    draw = np.random.default_rng(seed)
    sample = np.sort(draw.permutation(len(truth))[:MOST_ROWS_TREES])
    places = {
        name: {value: place for place, value in enumerate(sorted({_word(v) for v in rows[name]})[:250])}
        for name, kind in kinds.items()
        if kind == "category"
    }

    def encode(asked: Rows) -> np.ndarray:
        columns = [
            [places[name].get(_word(value), np.nan) for value in asked[name]]
            if name in places
            else _floats(asked[name])
            for name, kind in kinds.items()
            if kind != "time"
        ]
        parts = [
            *np.array(columns, np.float64),
            *(part for name, time in times.items() for part in time(asked[name]).T),
        ]
        return np.stack(parts, axis=1)

    columns = [place for place, name in enumerate(name for name in kinds if kinds[name] != "time") if name in places]
    times = {name: _ours("time")(rows[name]) for name, kind in kinds.items() if kind == "time"}
    options: dict[str, Any] = {**TREES, "random_state": seed, "categorical_features": columns or None}
    options["early_stopping"] = len(truth) >= 500
    family = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = family(**options).fit(encode(rows)[sample], truth[sample])
    if not classes:
        return lambda asked: np.asarray(model.predict(encode(asked)))
    return lambda asked: _spread(model.predict_proba(encode(asked)), model.classes_, int(truth.max()) + 1)


def _features(rows: Rows, kinds: Mapping[str, str]) -> tuple[Callable[[Rows], Any], Any]:
    """(encode, encoded rows): numbers scaled, categories one-hot, texts as TF-IDF of 1-3 characters, pixels."""
    from scipy import sparse  # type: ignore[import-untyped]

    made: dict[str, Callable[..., Any]] = {"number": _scaled, "category": _one_hot, "text": _grams, "image": _pixels}
    made |= {kind: _ours(kind) for kind in ("time", "sequence")}
    encoders = {name: made[kind](rows[name]) for name, kind in kinds.items() if kind in made}

    def encode(asked: Rows) -> Any:
        parts = [sparse.csr_matrix(encoder(asked[name])) for name, encoder in encoders.items()]
        joined = sparse.hstack(parts or [sparse.csr_matrix(np.zeros((_count(asked), 1)))]).tocsr()
        return joined.toarray() if joined.shape[1] <= 2000 else joined

    return encode, encode(rows)


def _ours(kind: str) -> Callable[[Sequence[Any]], Callable[[Sequence[Any]], Any]]:
    """Times, and the last step of sequences, as our own features encode them."""

    def learn(values: Sequence[Any]) -> Callable[[Sequence[Any]], Any]:
        feature = discover.feature(kind, columns=("column",)).fit({"column": values})

        def encode(asked: Sequence[Any]) -> Any:
            made = feature.encode({"column": asked})
            return made.values[made.offsets[1:] - 1] if hasattr(made, "offsets") else made

        return encode

    return learn


def _scaled(values: Sequence[Any]) -> Callable[[Sequence[Any]], Any]:
    from sklearn.preprocessing import StandardScaler

    known = _floats(values)
    middle = float(np.nanmedian(known)) if np.isfinite(known).any() else 0.0
    scaler = StandardScaler().fit(np.nan_to_num(known, nan=middle)[:, None])
    return lambda asked: scaler.transform(np.nan_to_num(_floats(asked), nan=middle)[:, None])


def _one_hot(values: Sequence[Any]) -> Callable[[Sequence[Any]], Any]:
    from sklearn.preprocessing import OneHotEncoder

    hot = OneHotEncoder(handle_unknown="ignore", max_categories=200).fit([[_word(value)] for value in values])
    return lambda asked: hot.transform([[_word(value)] for value in asked])


def _grams(values: Sequence[Any]) -> Callable[[Sequence[Any]], Any]:
    from sklearn.feature_extraction.text import TfidfVectorizer

    grams = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), max_features=100_000, sublinear_tf=True)
    grams.fit([str(value or "") or "?" for value in values])
    return lambda asked: grams.transform([str(value or "") for value in asked])


def _pixels(values: Sequence[Any]) -> Callable[[Sequence[Any]], Any]:
    """(N, SIDE * SIDE) grey in [0, 1]."""
    import io

    from PIL import Image

    def encode(asked: Sequence[Any]) -> np.ndarray:
        made = np.zeros((len(asked), SIDE * SIDE), np.float32)
        for place, value in enumerate(asked):
            if isinstance(value, bytes):
                picture = Image.open(io.BytesIO(value)).convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
                made[place] = np.asarray(picture, np.float32).ravel() / 255
        return made

    return encode


def _floats(values: Sequence[Any]) -> np.ndarray:
    found = np.array([np.nan if value is None or value == "" else float(value) for value in values])
    found[~np.isfinite(found)] = np.nan
    return found


def _word(value: Any) -> str:
    return NOT_KNOWN if value is None else str(value)


def _sample(count: int, kinds: Mapping[str, str], seed: int, truth: np.ndarray | None = None) -> np.ndarray:
    """Row numbers to fit on, at least one of each class."""
    most = MOST_PICTURES if "image" in kinds.values() else MOST_ROWS
    chosen = np.random.default_rng(seed).permutation(count)[:most]
    if truth is not None:
        chosen = np.union1d(chosen, np.unique(truth, return_index=True)[1])
    return np.sort(chosen)


def _taken(rows: Rows, kinds: Mapping[str, str], places: np.ndarray) -> Rows:
    return {name: [rows[name][int(place)] for place in places] for name in kinds}


def _is_table(kinds: Mapping[str, str]) -> bool:
    return bool(kinds) and set(kinds.values()) <= {"number", "category", "time"}


def _count(rows: Rows) -> int:
    return len(next(iter(rows.values()), ()))


def _spread(chances: np.ndarray, classes: np.ndarray, count: int) -> np.ndarray:
    wide = np.zeros((len(chances), count))
    wide[:, classes] = chances
    return wide


def _one_label(predict: Callable[[Rows], np.ndarray], labels: Sequence[str]) -> Answer:
    def answer(rows: Rows) -> list[Json]:
        chances = predict(rows)
        return [
            {"label": labels[int(row.argmax())], "score": float(row.max()), "scores": _by_label(labels, row)}
            for row in chances
        ]

    return answer


def _labels(predict: Callable[[Rows], np.ndarray], labels: Sequence[str]) -> Answer:
    def answer(rows: Rows) -> list[Json]:
        return [
            {"labels": [labels[i] for i in np.flatnonzero(row >= 0.5).tolist()], "scores": _by_label(labels, row)}
            for row in predict(rows)
        ]

    return answer


def _numbers(predict: Callable[[Rows], np.ndarray], names: Sequence[str]) -> Answer:
    def answer(rows: Rows) -> list[Json]:
        made = predict(rows)
        if len(names) == 1:
            return [{"value": float(row[0])} for row in made]
        return [{"values": dict(zip(names, map(float, row), strict=True))} for row in made]

    return answer


def _by_label(labels: Sequence[str], chances: np.ndarray) -> dict[str, float]:
    return dict(zip(labels, map(float, chances), strict=True))
