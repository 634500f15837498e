//! Random sequences of operations on the server and on a simple model of it, which must agree after each of them.
//!
//! The model ([`state`], [`comparison`], [`decisions`], [`runs`]) has a few maps and its own idea of what is equal. It shares
//! no code with the server. After each operation, the tables are compared with it line by line: the inventory, all versions
//! of all specs, all drifts with their values, statuses and reasons, what rules ignore, and the log. After each sweep, what
//! the API says is compared too: the counts, the coverage, and whether the inbox is vouched for. If it is, it must show
//! exactly that in which the cloud itself differs from the specs.
//!
//! If a sequence fails, it is made shorter as long as it fails, and printed.
//!
//! The sequences are lists of plain operations and no state machine of `proptest-state-machine`, because what a killed
//! server has done is known only after it was killed: the model follows what was found.

mod comparison;
mod decisions;
mod operations;
mod runs;
mod sequences;
mod state;
mod steps;
mod tables;
mod values;
mod vouching;
mod world;

use std::cell::RefCell;
use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

use self::operations::Op;
use self::sequences::sequence;
use self::world::World;

/// The environment variable with the number of sequences. With it, they are different ones in each run.
const CASES: &str = "DRIFT_MODEL_CASES";
/// The number of sequences otherwise, which are the same in each run.
const USUAL: u32 = 6;
/// Maximum number of operations of a sequence.
const MOST: usize = 50;

/// Stack of the thread of a sequence, in bytes: in debug builds, the futures of all operations together are large.
const STACK: usize = 64 * 1024 * 1024;

/// Where and why a sequence failed.
#[derive(Default)]
struct Failed {
    /// The number of operations that were done.
    operations: usize,
    /// What was done, and the difference.
    why: String,
}

/// Runs one sequence.
fn run(sequence: &[Op]) -> Result<(), Failed> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK);
        let ran = thread.spawn_scoped(scope, || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(run_in_thread(sequence))
        });
        ran.unwrap().join().unwrap()
    })
}

async fn run_in_thread(sequence: &[Op]) -> Result<(), Failed> {
    let mut world = World::new().await;
    let failed = |world: &World, operations, difference| Failed {
        operations,
        why: format!("{}\n{difference}", world.log.join("\n")),
    };
    for (place, op) in sequence.iter().enumerate() {
        let done = AssertUnwindSafe(world.do_op(op)).catch_unwind().await;
        let done = done.unwrap_or_else(|_| Err(format!("{op:?} panicked")));
        done.map_err(|difference| failed(&world, place + 1, difference))?;
    }
    let done = world.check_api().await;
    done.map_err(|difference| failed(&world, sequence.len(), difference))
}

fn check(with_kills: bool) {
    let cases = std::env::var(CASES)
        .ok()
        .map(|cases| cases.parse().expect("a number of cases"));
    let config = Config {
        cases: cases.unwrap_or(USUAL),
        failure_persistence: None,
        rng_seed: if cases.is_some() {
            RngSeed::Random
        } else {
            RngSeed::Fixed(14)
        },
        max_shrink_iters: 2_000,
        max_shrink_time: 120_000,
        ..Config::default()
    };
    let mut runner = TestRunner::new(config);
    // The last sequence that failed is the shortest one.
    let last = RefCell::new(Failed::default());
    let tested = runner.run(&sequence(with_kills, MOST), |sequence| {
        run(&sequence).map_err(|failed| {
            last.replace(failed);
            TestCaseError::fail("the server and the model differ")
        })
    });
    if let Err(TestError::Fail(reason, shortest)) = &tested {
        let Failed { operations, why } = last.take();
        let mut text = String::new();
        for op in &shortest[..operations] {
            writeln!(text, "{op:?}").unwrap();
        }
        panic!(
            "{reason} after these {operations} operations:\n{text}\nWhat was done, and the difference:\n{why}"
        );
    }
    tested.unwrap();
}

#[test]
fn the_server_agrees_with_the_model() {
    check(false);
}

#[test]
fn the_server_agrees_with_the_model_when_servers_are_killed_and_users_decide_at_once() {
    check(true);
}
