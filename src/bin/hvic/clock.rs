//! Timing of a step that can be repeated: as often as it takes for the clocks to be believed.

use cpu_time::ProcessTime;
use std::time::Duration;
use std::time::Instant;

/// How long a batch of repetitions takes at least: clocks and interrupts weigh little in it.
const BATCH: Duration = Duration::from_millis(40);
/// How long all batches take together at least.
const TOTAL: Duration = Duration::from_millis(700);
/// The fewest batches, however long one takes.
const FEWEST: usize = 3;

/// What one step takes.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Nanoseconds of processor time, of all threads together: the median of the batches.
    pub cpu: f64,
    /// Nanoseconds on the clock on the wall: the median of the batches.
    pub wall: f64,
    /// By how much batches differ: half the range between their quartiles of processor time, relative to the median.
    pub spread: f64,
    /// Repetitions in all batches.
    pub runs: usize,
}

/// Times a step, which has run before.
pub fn time(mut step: impl FnMut()) -> Timing {
    let mut batch = |runs: usize| {
        let (cpu, wall) = (ProcessTime::now(), Instant::now());
        for _ in 0..runs {
            step();
        }
        (cpu.elapsed(), wall.elapsed())
    };
    let mut runs = 1;
    loop {
        let (_, wall) = batch(runs);
        if wall >= BATCH {
            break;
        }
        // A little more than is missing, so that it is rarely tried often; a clock that stood still tells nothing.
        let factor = 1.2 * BATCH.as_secs_f64() / wall.as_secs_f64().max(1e-9);
        runs = (runs as f64 * factor.clamp(2.0, 1000.0)) as usize;
    }
    let (mut cpus, mut walls) = (Vec::new(), Vec::new());
    let start = Instant::now();
    while cpus.len() < FEWEST || start.elapsed() < TOTAL {
        let (cpu, wall) = batch(runs);
        let each = |time: Duration| time.as_secs_f64() * 1e9 / runs as f64;
        cpus.push(each(cpu));
        walls.push(each(wall));
    }
    for list in [&mut cpus, &mut walls] {
        list.sort_by(f64::total_cmp);
    }
    let (n, cpu) = (cpus.len(), middle(&cpus));
    Timing {
        cpu,
        wall: middle(&walls),
        spread: 0.5 * (cpus[3 * n / 4] - cpus[n / 4]) / cpu,
        runs: runs * n,
    }
}

/// The median of sorted numbers.
fn middle(sorted: &[f64]) -> f64 {
    let n = sorted.len();
    0.5 * (sorted[(n - 1) / 2] + sorted[n / 2])
}
