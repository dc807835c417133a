"""The page's sections on accuracy, and on the pictures that change sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_recog.markup import NOTHING, Markup, escape, joined, name, section, tag
from edge_recog_benchmarks.figures import END_TO_END
from edge_recog_benchmarks.flips import THRESHOLD
from edge_recog_benchmarks.report import plots
from edge_recog_benchmarks.report.markup import drawing, key, keyed, legend, table
from edge_recog_benchmarks.report.texts import DASH, percent
from edge_recog_benchmarks.report.thumbnails import thumbnail

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edge_recog_benchmarks.device.events import Answer
    from edge_recog_benchmarks.report.digest import Digest
    from edge_recog_benchmarks.results import AccuracyData, ContestantResult

MOST_PICTURES = 24
"""In each direction, of one pair; several pairs share them."""
_LEAST_PICTURES = 4
_MOST_CLASSES = 200
_CLASSES_AT_ONCE = 24
"""More are folded away."""
_MOST_CONFUSIONS = 6
_NOTHING = (None, None)


def accuracy(digest: Digest) -> Markup:
    """Return how often each contestant is right, and what its scores are worth."""
    data = digest.result.accuracy
    if data is None or not digest.accuracies:
        return NOTHING
    headlines = {who: figures.headline() for who, figures in digest.accuracies.items()}
    columns = list(next(iter(headlines.values())))
    numbers = {one.name: index for index, one in enumerate(digest.result.contestants)}
    rows = [
        [keyed(who, numbers[who]), *(texts.get(column, DASH) for column in columns)]
        for who, texts in headlines.items()
    ]
    drawings = [*_drawings(digest, numbers)]
    return section(
        f"{digest.key}accuracy",
        "Accuracy",
        tag("p", f"On {len(data.pictures)} labelled pictures of ", name(data.name), "."),
        tag("div", *drawings, class_="drawings") if drawings else NOTHING,
        table(["", *columns], rows),
        *(tag("p", name(who), f": {one.sentence}.") for who, one in digest.flips.items()),
        *_unreadable(digest, data),
    )


def flips(digest: Digest) -> Markup:
    """Return the pictures that one contestant gets right and another wrong."""
    data, reference = digest.result.accuracy, digest.labelled
    if data is None or reference is None or not digest.flips:
        return NOTHING
    most = max(_LEAST_PICTURES, MOST_PICTURES // len(digest.flips))
    parts: list[Markup] = []
    for who, flip in digest.flips.items():
        other = digest.result.by_name[who]
        for title, pictures in (("lost", flip.only_a_right), ("won", flip.only_b_right)):
            parts.append(
                tag("h3", name(who), f": {len(pictures)} {title} against ", name(reference.name))
            )
            if not pictures:
                parts.append(tag("p", "None.", class_="faint"))
                continue
            parts.append(_gallery(digest, data, (reference, other), pictures[:most]))
            if len(pictures) > most:
                left = f"{len(pictures) - most} more are not shown; the surest errors come first."
                parts.append(tag("p", left, class_="faint"))
    about = (
        "Lost: the first contestant is right and the other wrong. Won: the other way round. A "
        "model that wins as much as it loses is as accurate, and still another model."
    )
    return section(f"{digest.key}flips", "Pictures that change sides", tag("p", about), *parts)


def classes(digest: Digest) -> Markup:
    """Return recall and precision by label, those that differ most first."""
    if not digest.accuracies:
        return NOTHING
    numbers = {one.name: index for index, one in enumerate(digest.result.contestants)}
    by_label: dict[str, dict[str, tuple[float | None, float | None]]] = {}
    counts: dict[str, int] = {}
    for who, figures in digest.accuracies.items():
        for one in figures.classes:
            by_label.setdefault(one.label, {})[who] = (one.recall, one.precision)
            counts[one.label] = max(counts.get(one.label, 0), one.count)

    def spread(label: str) -> float:
        recalls = [recall or 0.0 for recall, _ in by_label[label].values()]
        return max(recalls) - min(recalls)

    labels = sorted(by_label, key=lambda label: (-spread(label), -counts[label], label))
    rows = [
        [
            name(label),
            str(counts[label]),
            *(
                " / ".join(map(_share, by_label[label].get(who, _NOTHING)))
                for who in digest.accuracies
            ),
        ]
        for label in labels[:_MOST_CLASSES]
    ]
    titles = ["label", "pictures", *(keyed(who, numbers[who]) for who in digest.accuracies)]
    shown = table(titles, rows, caption="Recall / precision, in %.")
    if len(rows) > _CLASSES_AT_ONCE:
        shown = tag("details", tag("summary", f"{len(rows)} labels"), shown)
    left = len(labels) - len(rows)
    return section(
        f"{digest.key}classes",
        "By label",
        tag("p", "Labels on which the contestants differ most come first."),
        shown,
        tag("p", f"{left} more labels are in the result file only.") if left else NOTHING,
        *_confusions(digest),
    )


def _drawings(digest: Digest, numbers: dict[str, int]) -> Iterator[Markup]:
    points, curves = [], []
    for who, figures in digest.accuracies.items():
        total = digest.figures[who].stages.get(END_TO_END)
        share = figures.top1 or figures.exact
        if total is not None and share is not None:
            interval = (share.estimate, share.low, share.high)
            points.append(plots.Point(who, numbers[who], total.p50_ms.estimate, interval))
        if figures.reliability:
            bins = [(one.score, one.accuracy, one.count) for one in figures.reliability]
            curves.append(plots.Reliability(who, numbers[who], bins))
    if points:
        names = [(point.name, point.colour) for point in points]
        yield drawing(
            plots.plot_pareto(points, key=digest.key),
            legend(names) if len(points) > plots.MOST_LABELS else NOTHING,
            "Accuracy against latency. Up and to the left is better; the dashed line joins those "
            "that none beats in both. Strokes: 95 % intervals.",
        )
    if curves:
        yield drawing(
            plots.plot_reliability(curves, key=digest.key),
            legend((curve.name, curve.colour) for curve in curves),
            "What scores are worth: below the dashed line a model is surer than it is right. "
            "Larger dots are more pictures.",
        )


def _unreadable(digest: Digest, data: AccuracyData) -> Iterator[Markup]:
    for one in digest.result.contestants:
        if one.unreadable:
            which = sorted(one.unreadable)[:3]
            names = [data.pictures[index].id for index in which if 0 <= index < len(data.pictures)]
            said = f": {len(one.unreadable)} pictures could not be read, among them "
            yield tag("p", name(one.name), said, joined(map(name, names), ", "), ".")


def _gallery(
    digest: Digest,
    data: AccuracyData,
    pair: tuple[ContestantResult, ContestantResult],
    pictures: Sequence[int],
) -> Markup:
    """Return pictures with their label and, in the colours of the two, what they say."""
    colours = [digest.result.contestants.index(one) for one in pair]
    answers = [{answer.picture: answer for answer in one.answers} for one in pair]
    figures = []
    for picture in pictures:
        known = data.pictures[picture]
        truth = ", ".join(data.labels[label] for label in known.labels) or "no label"
        lines = [tag("strong", name(truth))]
        for colour, one in zip(colours, answers, strict=True):
            lines.append(joined([key(colour), _said(data, one[picture])]))
        caption = tag("figcaption", joined(lines, Markup("<br>")))
        figures.append(
            tag("figure", _picture(data.folder, known.id, truth), caption, class_="flip")
        )
    return tag("div", *figures, class_="flips")


def _picture(folder: str, picture: str, truth: str) -> Markup:
    source = thumbnail(folder, picture)
    if source is None:
        return tag("div", "picture not at hand", class_="gone")
    alt = escape(f"{picture}, labelled {truth}")
    return Markup(f'<img src="{escape(source)}" alt="{alt}" title="{escape(picture)}">')


def _said(data: AccuracyData, answer: Answer) -> Markup:
    """Return the best label and its score; where several may apply, all that are said to."""
    best = list(zip(answer.top, answer.scores, strict=True))
    if data.task == "multi-label":
        best = [(label, score) for label, score in best if score >= THRESHOLD]
    else:
        best = best[:1]
    said = [joined([name(data.labels[label]), f" {100 * score:.0f} %"]) for label, score in best]
    return joined(said, ", ") if said else escape("nothing")


def _confusions(digest: Digest) -> Iterator[Markup]:
    for who, figures in digest.accuracies.items():
        if figures.confusions:
            taken = [
                joined([name(one.label), " for ", name(one.said), f" ({one.count})"])
                for one in figures.confusions[:_MOST_CONFUSIONS]
            ]
            yield tag("p", name(who), " most often took ", joined(taken, ", "), ".", class_="faint")


def _share(share: float | None) -> str:
    return DASH if share is None else percent(share)
