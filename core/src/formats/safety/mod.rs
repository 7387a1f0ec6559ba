//! What loading a model's files by Python's own means would run.

pub mod classify;
pub mod report;
