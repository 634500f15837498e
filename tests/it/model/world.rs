//! The server under test beside the model.

mod cloud;
mod promises;
mod resolve;
mod server;

use std::collections::HashMap;

use chrono::TimeDelta;

use self::server::{Ids, execute, kill};
use super::operations::{Decision, Op, RESOURCES, Version};
use super::state::{Drift, Model};
use super::steps::{Answer, Ended, Step};
use super::tables::{self, Tables, difference, lines_of};
use super::values::{Shown, V, WHOLE};
use crate::support::TestApp;

/// A difference between the server and the model.
pub(super) type Failure = String;

/// A server, its cloud, and the model of both.
pub(super) struct World {
    t: TestApp,
    model: Model,
    tables: Tables,
    /// The drifts as a user has read them last.
    read: HashMap<usize, Drift>,
    /// What was done, with the answers.
    pub(super) log: Vec<String>,
}

impl World {
    /// Creates a server with an inventory and two specs, one of which differs.
    pub(super) async fn new() -> Self {
        let t = TestApp::new().await;
        let model = Model::new(t.now());
        let tables = tables::read(t.db()).await;
        let mut world = Self {
            t,
            model,
            tables,
            read: HashMap::new(),
            log: Vec::new(),
        };
        world
            .begin()
            .await
            .unwrap_or_else(|why| panic!("the first steps fail: {why}"));
        world
    }

    async fn begin(&mut self) -> Result<(), Failure> {
        for resource in 0..RESOURCES.len() {
            self.do_op(&Op::Change(resource, 0, Some(V::A))).await?;
        }
        self.do_op(&Op::Sync { fails: false }).await?;
        for resource in [0, 2] {
            let spec = [(0, V::B), (1, V::NULL)].into();
            let record = Decision::Record {
                user: 0,
                resource,
                spec,
                version: Version::Unnamed,
            };
            self.do_op(&Op::Decide(record)).await?;
        }
        self.do_op(&Op::Sweep).await
    }

    /// Does an operation, and compares the server with the model.
    pub(super) async fn do_op(&mut self, op: &Op) -> Result<(), Failure> {
        self.later(TimeDelta::seconds(1));
        match op {
            Op::Killed(after, op) => match self.step(op) {
                Some(step) => self.killed(*after, step).await,
                None => Ok(()),
            },
            Op::Together(a, b) => {
                let b = b.as_ref().map_or(Some(Step::Sweep(None)), |b| self.step_of(b));
                match self.step_of(a).zip(b) {
                    Some((a, b)) => self.together(a, b).await,
                    None => Ok(()),
                }
            }
            Op::Drift(resource, field, value) => {
                let sync = Op::Sync { fails: false };
                for op in [Op::Change(*resource, *field, *value), sync, Op::Sweep] {
                    Box::pin(self.do_op(&op)).await?;
                }
                Ok(())
            }
            Op::Look => {
                let open = self.model.open().into_iter();
                self.read
                    .extend(open.map(|drift| (drift, self.model.drifts[drift].clone())));
                Ok(())
            }
            Op::Wait(minutes) => {
                self.later(TimeDelta::minutes(*minutes));
                self.check_api().await
            }
            op => match self.step(op) {
                Some(step) => self.do_step(step).await,
                None => {
                    self.change_cloud(op);
                    Ok(())
                }
            },
        }
    }

    fn later(&mut self, by: TimeDelta) {
        self.t.later(by);
        self.model.now = self.t.now();
    }

    fn ids(&self) -> Ids {
        Ids {
            resources: self.tables.resources.clone(),
            drifts: self
                .model
                .drifts
                .iter()
                .map(|drift| self.tables.drift(drift))
                .collect(),
            rules: self.tables.rules.clone(),
        }
    }

    async fn do_step(&mut self, step: Step) -> Result<(), Failure> {
        self.prepare(&step);
        let answer = execute(&self.t.app, &step, &self.ids()).await;
        self.log.push(format!("{step:?}: {answer:?}"));
        let expected = self.model.run(&step);
        self.model.take_commits();
        same_answer(expected, answer)?;
        self.check_tables().await?;
        self.check_accept(&step, answer)?;
        if matches!(step, Step::Sweep(_)) {
            self.check_api().await?;
        }
        Ok(())
    }

    fn prepare(&self, step: &Step) {
        if let Step::Sync { fails } = step {
            self.t.cloud.fail(fails.then_some("the provider does not answer"));
        }
    }

    /// Checks that what was accepted is what the user had read.
    fn check_accept(&self, step: &Step, answer: Answer) -> Result<(), Failure> {
        let Step::Accept {
            drift,
            revision: Some(revision),
            ..
        } = step
        else {
            return Ok(());
        };
        let row = &self.model.drifts[*drift];
        let read = self.read.get(drift).filter(|read| read.revision == *revision);
        let (Some(read), Answer::Done, Some(version)) = (read, answer, row.version) else {
            return Ok(());
        };
        let made = &self.model.specs[row.resource][version as usize - 1];
        let accepted = match row.field {
            WHOLE => made.retired,
            field => Shown::Value(made.spec[&field]).means(&Shown::Value(read.actual)),
        };
        match accepted {
            true => Ok(()),
            false => Err(format!("{read:?} was accepted, and the spec became {made:?}")),
        }
    }

    async fn check_tables(&mut self) -> Result<(), Failure> {
        self.tables = tables::read(self.t.db()).await;
        match difference(&lines_of(&self.model), &self.tables.lines) {
            None => Ok(()),
            Some(difference) => Err(difference),
        }
    }

    /// Runs a step on a server that is killed after some statements. The database must then be as after one of the commits of
    /// the step, and as after the last one if the server has answered.
    async fn killed(&mut self, after: usize, step: Step) -> Result<(), Failure> {
        self.prepare(&step);
        let answer = kill(&self.t, after, &step, self.ids()).await;
        self.log
            .push(format!("killed after {after} statements: {step:?}: {answer:?}"));
        self.tables = tables::read(self.t.db()).await;
        let mut states = vec![self.model.clone()];
        let expected = self.model.run(&step);
        states.append(&mut self.model.take_commits());
        if let Some(answer) = answer {
            same_answer(expected, answer)?;
            return self.check_tables().await;
        }
        let is_found = |state: &Model| difference(&lines_of(state), &self.tables.lines).is_none();
        let Some(found) = states.iter().rposition(is_found) else {
            let difference = |state| difference(&lines_of(state), &self.tables.lines).unwrap_or_default();
            let all: Vec<String> = states.iter().map(difference).collect();
            return Err(format!(
                "the killed server left a state between two commits:\n{}",
                all.join("---\n")
            ));
        };
        self.model = states.swap_remove(found);
        self.model.sync_is_unknown |= matches!(step, Step::Sync { .. });
        self.model.sweep_is_unknown |= matches!(step, Step::Sweep(_));
        // The run counts as active until its heartbeats are missing.
        self.later(TimeDelta::minutes(1));
        Ok(())
    }

    /// Runs two steps at the same time. The result must be as if one had followed the other.
    async fn together(&mut self, a: Step, b: Step) -> Result<(), Failure> {
        let ids = self.ids();
        let (first, second) = tokio::join!(execute(&self.t.app, &a, &ids), execute(&self.t.app, &b, &ids));
        self.log
            .push(format!("at the same time: {a:?}: {first:?}; {b:?}: {second:?}"));
        self.tables = tables::read(self.t.db()).await;
        let mut differences = String::new();
        for is_first in [true, false] {
            let mut model = self.model.clone();
            let expected = if is_first {
                [model.run(&a), model.run(&b)]
            } else {
                let second = model.run(&b);
                [model.run(&a), second]
            };
            model.take_commits();
            // A sweep reads how fresh the inventory is before it compares, so that may be as in the other order.
            model.sweep_is_unknown |= matches!(b, Step::Sweep(_));
            let are_same = [(expected[0], first), (expected[1], second)]
                .iter()
                .all(|(expected, answer)| match (expected, answer) {
                    (Answer::Run(_), Answer::Run(_)) => true,
                    _ => expected == answer,
                });
            let found = difference(&lines_of(&model), &self.tables.lines);
            if are_same && found.is_none() {
                self.model = model;
                return Ok(());
            }
            differences.push_str(&format!("{expected:?}\n{}---\n", found.unwrap_or_default()));
        }
        Err(format!("neither order explains the result:\n{differences}"))
    }
}

fn same_answer(expected: Answer, answer: Answer) -> Result<(), Failure> {
    let is_known = !matches!(expected, Answer::Run(Ended::Unknown));
    match is_known && expected != answer {
        true => Err(format!("the answer is {answer:?}, not {expected:?}")),
        false => Ok(()),
    }
}
