//! Tests with small plans that are built here.

mod builder;
mod evidence;
mod mutations;
mod normal;
mod previous;
mod rules;
mod secrets;
