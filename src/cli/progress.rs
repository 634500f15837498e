//! Progress of long jobs on standard error: a bar on a terminal, otherwise log lines at an interval.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::jobs::Progress;
use crate::services::detection::SweepCounts;

/// Interval between the frames of a spinner.
const TICK: Duration = Duration::from_millis(120);
/// Minimum interval between two lines if standard error is not a terminal.
const BETWEEN_LINES: Duration = Duration::from_secs(5);

/// Starts a spinner for a sync, whose number of resources is not known in advance.
pub(super) fn of_sync() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if bar.is_hidden() {
        tracing::info!("listing the account");
    } else {
        bar.set_style(style("{spinner} {msg} {elapsed}"));
        bar.set_message("listing the account");
        bar.enable_steady_tick(TICK);
    }
    bar
}

/// Starts the progress of an import. Returns the bar, and a callback that gets the number of processed resources and
/// the total after each batch. The caller must finish the bar.
pub(super) fn of_import() -> (impl FnMut(usize, usize), ProgressBar) {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    bar.set_style(style("importing [{bar:32}] {pos} of {len} resources, {eta} left"));
    let (moving, mut last) = (bar.clone(), Instant::now());
    let progress = move |done: usize, total: usize| {
        moving.set_length(total as u64);
        moving.set_position(done as u64);
        if moving.is_hidden() && last.elapsed() >= BETWEEN_LINES {
            last = Instant::now();
            tracing::info!("imported {done} of {total} resources");
        }
    };
    (progress, bar)
}

/// Starts the progress of a sweep of `specs` specs. Returns the bar, and a callback that gets the counts after each
/// batch. The caller must finish the bar.
pub(super) fn of_sweep(specs: u64) -> (Progress, ProgressBar) {
    let bar = ProgressBar::with_draw_target(Some(specs), ProgressDrawTarget::stderr());
    if bar.is_hidden() {
        tracing::info!("comparing with {}", super::counted(specs, "spec"));
        return (in_lines(specs), bar);
    }
    bar.set_style(style("comparing [{bar:32}] {pos} of {len} resources, {eta} left"));
    bar.tick();
    let moving = bar.clone();
    let progress = Arc::new(move |counts: &SweepCounts| moving.set_position(looked_at(counts)));
    (progress, bar)
}

fn in_lines(specs: u64) -> Progress {
    let last = Mutex::new(Instant::now());
    Arc::new(move |counts: &SweepCounts| {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() >= BETWEEN_LINES {
            *last = Instant::now();
            tracing::info!("compared {} of {specs} resources", looked_at(counts));
        }
    })
}

fn looked_at(counts: &SweepCounts) -> u64 {
    counts.looked_at()
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}
