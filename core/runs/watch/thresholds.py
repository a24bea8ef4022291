"""What the watchers warn of, and from which value on: all their thresholds, each with its reason.

"Losses" and "steps" are logged ones (`train.log_every`). Medians, because a single odd batch does not move them; a
scale is 1.4826 × the median absolute deviation, which for normal noise is its standard deviation (`robust.scale`).
"Issue 4" is what was asked for; "simulated" was chosen with `bench/watchers.py --tune` so that of each injected fault
at least 95 % are caught with at most 1 false alarm in 100 healthy runs.

============================ ====================================================================================
`nonfinite_loss`             A loss that is not a number (the engine stops before it steps on one). It stays until
                             a restart from before it: no weight can be trusted after one.
`loss_spike`                 `SPIKE_RUN` losses in a row more than `SPIKE_Z` scales above the level (issue 4). The
                             level is the median of the later half of the last `WINDOW` losses, the scale that of
                             their distances from the line through the medians of both halves, so that a steep
                             start is not taken for noise; it is at least `LEAST_SCALE` of the level and
                             `LEAST_SCALE_NATS`, or a curve almost without noise would alarm at nothing. Three of
                             them must beat all single ones of the last `ROLLING` steps, or twice as many come in a
                             row: heavy-tailed batches exceed 4 scales by chance (simulated). Over after
                             `SPIKE_RUN` losses in a row below.
`slow_divergence`            The rolling median of up to `ROLLING` losses is above `DIVERGED` × its best (issue 4), by
                             `DIVERGED_NATS` and by `SURE` standard errors of the difference, so that large batch
                             noise does not look like it (simulated). Over below `RECOVERED` × its best.
`overfitting`                The validation loss is above its best by more than one paired standard error at
                             `WORSE_EVALS` evaluations in a row, while the training loss falls (issue 4): below
                             `FELL` × what it was at the best. At the last of them it is also above by
                             `WORSE_SHARE` of the best, and by `WORSE_SURE` + √(ln n) standard errors after n
                             evaluations: on a plateau the best of n lies below the others by chance, so that one
                             standard error alone is exceeded in two of five healthy runs (simulated). Over with
                             an evaluation within one standard error.
`slow_throughput`            The median tokens a second of the last `PACE_RECENT` steps is below `SLOW` × that of
                             the attempt (issue 4), by `PACE_SURE` standard errors: batches differ in length
                             (simulated). Over above `FAST_AGAIN` ×.
`gpu_idle`                   The median use of the run's card is below `IDLE_PERCENT` over `IDLE_SAMPLES` samples, two
                             minutes: NVML tells the share of the last second at most, and a single 0 means
                             nothing; a card that works through batches is busy most of the time.
`disk_low`                   There is room for fewer than `CHECKPOINTS` checkpoints (issue 4): a new one is sealed
                             before an old one goes.
`zero_loss`                  `ZERO_RUN` losses in a row below `ZERO`, or no token with loss in the data (issue 4): all
                             labels are masked, or NaN is shown as 0; with dpo and kto the margin has grown so wide.
`stalled`                    Silence for `SILENT_SECONDS` and for `SILENT_GAPS` × the longest pause between two events
                             so far; `SILENT_START` before the first step. The runner ends a job after 15 minutes or
                             20 × its longest step (`core.worker.timing`): a person hears of it earlier.
============================ ====================================================================================
"""

from __future__ import annotations

#: Losses of the trailing window, and the fewest with which anything is judged (the warm-up); a sixth of a short run.
WINDOW = 100
LEAST = 30
#: Losses of the rolling median for slow divergence; an eighth of a short run.
ROLLING = 200
#: Looks at the window while it passes once: between them a step costs one comparison.
LOOKS = 5

SPIKE_Z = 4.0
SPIKE_RUN = 3
LEAST_SCALE = 0.02
LEAST_SCALE_NATS = 0.01

DIVERGED = 1.25
RECOVERED = 1.15
DIVERGED_NATS = 0.05
SURE = 5.0

WORSE_EVALS = 2
WORSE_SHARE = 0.03
WORSE_SURE = 2.0
FELL = 0.95

SLOW = 0.7
FAST_AGAIN = 0.8
PACE_LEAST = 20
PACE_RECENT = 20
PACE_EVERY = 5
PACE_SURE = 4.5
#: First steps of an attempt that are not timed: kernels are chosen and compiled then.
PACE_SKIPPED = 3
#: Values kept of an attempt's whole course; every second is dropped where they are more.
PACE_KEPT = 256

IDLE_PERCENT = 10.0
IDLE_SAMPLES = 24

CHECKPOINTS = 2
#: Bytes a trained parameter before the first checkpoint is there: float32 weights and Adam's two moments.
PARAMETER_BYTES = 12

ZERO = 1e-6
ZERO_RUN = 3

SILENT_SECONDS = 600.0
SILENT_GAPS = 10.0
SILENT_START = 900.0
