//! What this process counts about itself, for Prometheus.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Maximum number of names of operations that are counted on their own.
const MAX_NAMES: usize = 200;
/// Maximum length of such a name in bytes.
const MAX_NAME_BYTES: usize = 64;
/// The start of every name.
const PREFIX: &str = "drift_inbox";
/// Upper bounds of the time of requests in seconds. The longest request ends after 30 s by default.
const REQUEST_SECONDS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0];
/// Upper bounds of the time of jobs in seconds.
const JOB_SECONDS: [f64; 9] = [0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    operation: String,
    code: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RunLabels {
    job: String,
    outcome: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JobLabels {
    job: String,
}

/// The counters of one process. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    request_seconds: Family<RouteLabels, Histogram, fn() -> Histogram>,
    operations: Family<OperationLabels, Counter>,
    names: Arc<Mutex<BTreeSet<String>>>,
    runs: Family<RunLabels, Counter>,
    run_seconds: Family<JobLabels, Histogram, fn() -> Histogram>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Creates the counters.
    pub fn new() -> Self {
        Self {
            request_seconds: Family::new_with_constructor(|| Histogram::new(REQUEST_SECONDS)),
            run_seconds: Family::new_with_constructor(|| Histogram::new(JOB_SECONDS)),
            requests: Family::default(),
            operations: Family::default(),
            names: Arc::default(),
            runs: Family::default(),
        }
    }

    /// Counts an HTTP response. `route` is the pattern of the path, because paths have ids.
    pub(crate) fn answered(&self, route: &str, method: &str, status: u16, time: Duration) {
        let labels = RequestLabels {
            route: route.to_owned(),
            method: method.to_owned(),
            status,
        };
        self.requests.get_or_create(&labels).inc();
        let labels = RouteLabels {
            route: route.to_owned(),
        };
        self.request_seconds
            .get_or_create(&labels)
            .observe(time.as_secs_f64());
    }

    /// Counts a GraphQL operation with the code of its first error, or `OK`. Clients name operations, so only the first
    /// names are counted on their own, and the rest as `other`.
    pub(crate) fn executed(&self, operation: &str, code: &str) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = names.contains(operation);
        let is_kept = is_known || (names.len() < MAX_NAMES && operation.len() <= MAX_NAME_BYTES);
        if is_kept && !is_known {
            names.insert(operation.to_owned());
        }
        drop(names);
        let labels = OperationLabels {
            operation: if is_kept { operation } else { "other" }.to_owned(),
            code: code.to_owned(),
        };
        self.operations.get_or_create(&labels).inc();
    }

    /// Counts a run of a job that has ended.
    pub(crate) fn ran(&self, job: &str, outcome: &str, time: Duration) {
        let labels = RunLabels {
            job: job.to_owned(),
            outcome: outcome.to_owned(),
        };
        self.runs.get_or_create(&labels).inc();
        let labels = JobLabels { job: job.to_owned() };
        self.run_seconds
            .get_or_create(&labels)
            .observe(time.as_secs_f64());
    }

    /// Returns the counters and `more` in the OpenMetrics text format.
    ///
    /// # Errors
    ///
    /// The text cannot be written.
    pub(crate) fn text(&self, more: Vec<GaugeFamily>) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::with_prefix(PREFIX);
        let info = [("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned())];
        let info = prometheus_client::metrics::info::Info::new(info.to_vec());
        registry.register("build", "The version of the program", info);
        let requests = "HTTP responses by route, method and status";
        registry.register("http_requests", requests, self.requests.clone());
        let seconds = "Time from the head of a request to the head of its response";
        registry.register("http_request_seconds", seconds, self.request_seconds.clone());
        let operations = "GraphQL operations by name and by the code of the first error, or OK";
        registry.register("graphql_operations", operations, self.operations.clone());
        let runs = "Ended runs of this process by job and outcome";
        registry.register("job_runs", runs, self.runs.clone());
        let seconds = "Time of the ended runs of this process";
        registry.register("job_run_seconds", seconds, self.run_seconds.clone());
        for family in more {
            let gauges: Family<Vec<(String, String)>, Gauge<f64, std::sync::atomic::AtomicU64>> =
                Family::default();
            for (labels, value) in family.values {
                let labels: Vec<(String, String)> = labels
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect();
                gauges.get_or_create(&labels).set(value);
            }
            registry.register(family.name, family.help, gauges);
        }
        let mut text = String::new();
        text::encode(&mut text, &registry)?;
        Ok(text)
    }
}

/// Gauges whose values are read at each scrape.
#[derive(Clone, Debug)]
pub(crate) struct GaugeFamily {
    /// The name without the common start.
    pub(crate) name: &'static str,
    /// What the value is, with its unit.
    pub(crate) help: &'static str,
    /// The values by their labels.
    pub(crate) values: Vec<(Vec<(&'static str, String)>, f64)>,
}

impl GaugeFamily {
    /// Creates one value without labels.
    pub(crate) fn one(name: &'static str, help: &'static str, value: f64) -> Self {
        Self {
            name,
            help,
            values: vec![(Vec::new(), value)],
        }
    }
}
