//! Drift Inbox: reports where a cloud account differs from its desired state, and records the decisions about
//! each difference.
//!
//! The main modules, each of which may import only those before it: [`domain`] contains the rules, [`services`] read
//! and write the database, [`jobs`] runs the jobs, [`live`] publishes committed changes, [`app`] holds the state,
//! [`graphql`] and [`http`] serve the API, and [`cli`] is the command line.
#![warn(missing_docs)]

pub mod app;
pub mod auth;
pub mod cli;
pub mod clock;
mod config;
pub mod db;
pub mod domain;
pub mod error;
pub mod graphql;
pub mod http;
pub mod jobs;
pub mod live;
pub mod metrics;
pub mod outgoing;
pub mod provider;
pub mod scheduler;
pub mod services;
mod telemetry;
mod traces;
