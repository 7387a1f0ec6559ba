//! What loading a model's files by the usual libraries would run. Nothing of a file is trusted, neither its name nor
//! what it says it is, and nothing is ever run, imported or looked up: pickles are searched for wherever Python
//! would find one, and so is code that needs no pickle. What cannot be searched is named, never passed over.

mod arrays;
mod compressed;
mod gguf;
mod json;
mod keras;
pub mod limits;
mod messages;
mod onnx;
mod opcodes;
mod open;
mod pickles;
pub mod policy;
pub mod report;
mod state;
mod tar;
mod templates;
mod tensorflow;
mod walk;
mod zip;

pub use open::{Opened, open_path};
pub use report::{Finding, Kind, SafetyReport, Verdict};
pub use walk::safety_report;
