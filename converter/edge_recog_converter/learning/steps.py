"""One step of a training: from a batch to changed weights, by one worker or several.

All workers augment the whole batch, since what happens to a picture depends on its place in it and
mixing needs the others; then each goes on with its share. Losses are weighed so that the sum of all
workers' gradients is that of the whole batch.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from edge_recog_converter._tensorflow import keras, tf
from edge_recog_converter.errors import TrainingError
from edge_recog_converter.learning.layers_meanwhile import (
    as_of_one_batch,
    averaging_all,
    computing_in,
    learning_normalisations,
)
from edge_recog_converter.learning.workers import Workers, is_loss_of_worker

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from edge_recog_converter.learning.plans import Batch, Plan

RESTATED_ON = 1024
"""Pictures on which statistics are taken anew: 10^3 to 10^4 are enough according to Wu and Johnson,
arXiv:2105.07576, section 3."""


class Step:
    """Learns from batches of pixels (batch, height, width, channels) uint8 and their targets."""

    def __init__(self, network: Any, plan: Plan, workers: Workers) -> None:
        """Build the optimizer if it is not yet."""
        self._network = network
        self._plan = plan
        self._workers = workers
        if not plan.optimizer.built:
            plan.optimizer.build(network.trainable_variables)
        self.optimizer = plan.optimizer
        """The plan's, around which gradients are scaled if the precision needs it."""
        if plan.precision == "mixed-float16":
            self.optimizer = keras.optimizers.LossScaleOptimizer(plan.optimizer)
            self.optimizer.build(network.trainable_variables)
        pixels = tf.TensorSpec((None, *network.inputs[0].shape[1:]), tf.uint8)
        rows, step = tf.TensorSpec((None, None), tf.float32), tf.TensorSpec((), tf.int64)
        # With signatures: a worker that traces anew when others do not waits for them for ever.
        self._learn_in_graph = tf.function(
            self._learn,
            input_signature=[pixels, rows, tf.TensorSpec((None,), tf.float32), rows, step],
            autograph=False,
        )
        self._restate_in_graph = tf.function(
            self._restate,
            input_signature=[pixels, rows, step, tf.TensorSpec((), tf.float32)],
            autograph=False,
        )
        self._traced = plan.precision == "float32"

    def learn(self, batch: Batch) -> Any:
        """Learn from one batch; return its loss, a scalar tensor.

        Raises:
            TrainingError: A layer cannot compute in the plan's precision.
        """
        loss = self._learned(batch)
        if self._plan.zeros is not None:
            self._plan.zeros.after_step(int(self._plan.optimizer.iterations.numpy()))
        return loss

    def _learned(self, batch: Batch) -> Any:
        values = (batch.pixels, batch.targets, batch.weights, batch.answers, batch.step)
        if self._traced:
            return self._learn_in_graph(*values)
        try:
            loss = self._learn_in_graph(*values)
        except (
            TypeError, ValueError, tf.errors.InvalidArgumentError, tf.errors.NotFoundError,
            tf.errors.UnimplementedError,
        ) as error:  # fmt: skip
            if is_loss_of_worker(error):
                raise
            reason = str(error).strip().splitlines()[-1].strip()
            raise TrainingError(
                f"a layer cannot be trained in {self._plan.precision} here ({reason}); leave "
                "precision out of the recipe"
            ) from error
        self._traced = True
        return loss

    @contextlib.contextmanager
    def restated(self, batches: Iterable[Batch]) -> Iterator[None]:
        """Have statistics of the weights as they are in the normalisations meanwhile.

        Moving averages suit the weights of the last steps; for averaged weights, statistics are
        taken anew from some of these batches (Wu and Johnson, "Precise BatchNorm"), augmented as
        in training. Training afterwards is not changed by that, in nothing.
        """
        if not learning_normalisations(self._network):
            yield
            return
        variables = self._network.non_trainable_variables
        before = [variable.numpy() for variable in variables]
        try:
            seen, pictures = 0, 0
            for batch in batches:
                self._restate_in_graph(batch.pixels, batch.targets, batch.step, float(seen))
                seen, pictures = seen + 1, pictures + len(batch.pixels)
                if pictures >= RESTATED_ON:
                    break
            yield
        finally:
            for variable, value in zip(variables, before, strict=True):
                variable.assign(value)

    def _learn(self, pixels: Any, targets: Any, weights: Any, answers: Any, step: Any) -> Any:
        """Learn from one batch, in the graph."""
        images, targets = self._augmented(pixels, targets, step)
        loss, *gradients = self._workers.run(self._gradients, images, targets, weights, answers)
        self.optimizer.apply(gradients, self._network.trainable_variables)
        return loss

    def _gradients(self, images: Any, targets: Any, weights: Any, answers: Any) -> list[Any]:
        """Return the loss and the gradients of all workers together."""
        network, plan, workers = self._network, self._plan, self._workers
        share, factor = self._share(images)
        with tf.GradientTape() as tape:
            with computing_in(network, plan.precision):
                logits = self._logits(images, share)
            logits = tf.cast(logits, tf.float32)
            loss = plan.loss(targets[share], logits, sample_weight=weights[share])
            if plan.teaching is not None:
                taught = plan.teaching.loss(answers[share], logits)
                loss = (1 - plan.teaching.share) * loss + plan.teaching.share * taught
            loss *= factor
            loss += sum(network.losses) / workers.count
            scaled = self.optimizer.scale_loss(loss)
        return workers.sum([loss, *tape.gradient(scaled, network.trainable_variables)])

    def _restate(self, pixels: Any, targets: Any, step: Any, seen: Any) -> None:
        """Take statistics from one batch, in the graph."""
        images, _ = self._augmented(pixels, targets, step)

        def see(images: Any) -> Any:
            return self._logits(images, self._share(images)[0])

        with averaging_all(learning_normalisations(self._network), seen):
            self._workers.run(see, images)

    def _augmented(self, pixels: Any, targets: Any, step: Any) -> tuple[Any, Any]:
        images, targets = self._plan.augment(tf.cast(pixels, tf.float32), targets, step)
        return images, targets

    def _share(self, images: Any) -> tuple[slice, Any]:
        """Return which pictures are this worker's, and the factor of their loss.

        Where there are fewer pictures than workers, each takes them all: no layer need cope with
        an empty batch, and means over the workers are the same.
        """
        if self._workers.alone:
            return slice(None), 1.0
        whole = tf.shape(images)[0]
        few = whole < self._workers.count
        start, stop = self._workers.bounds(whole)
        start, stop = tf.where(few, 0, start), tf.where(few, whole, stop)
        part = tf.cast((stop - start) / whole, tf.float32)
        part = tf.where(few, 1 / self._workers.count, part)
        # Keras divides each loss by the number of replicas (keras 3.15, `losses/loss.py`).
        return slice(start, stop), part * self._workers.count

    def _logits(self, images: Any, share: slice) -> Any:
        """Return what the network makes of a share, as a part of the batch."""
        plan, network = self._plan, self._network
        normalised = (images[share] - plan.mean) / plan.std
        if self._workers.alone:
            return network(normalised, training=True)
        with as_of_one_batch(
            network, start=share.start, stop=share.stop, whole=tf.shape(images)[0]
        ):
            return network(normalised, training=True)
