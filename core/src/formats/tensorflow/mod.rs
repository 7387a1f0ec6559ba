//! TensorFlow: SavedModel folders, checkpoints, and frozen graphs. Nothing of a graph is run.
//!
//! What is listed: of a checkpoint its variables; of a frozen graph its constants; of a SavedModel
//! its variables, or its graph's constants where it has none. A graph with variables has constants
//! too, but those are axes, shapes and paddings.

mod bundle;
mod graph;
mod object_graph;
mod slices;
pub(super) mod table;
mod tensor;

use super::notes::Notes;
use super::{FileSet, ParseError, missing, shared};
use crate::model::{Format, Model, UNKNOWN_ARCHITECTURE};
use crate::source::Source;
pub use bundle::Checksum;
use graph::Graphs;

/// The index of a SavedModel's variables.
pub const VARIABLES_INDEX: &str = "variables/variables.index";

/// What the first file of a TensorFlow model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `saved_model.pb`.
    SavedModel,
    /// A graph alone.
    Graph,
    /// The index of a checkpoint.
    Checkpoint,
}

/// Parses a model whose first file is `saved_model.pb`, a graph, or the index of a checkpoint.
///
/// # Errors
/// [`ParseError`] for anything the formats forbid, and for files that are not there.
pub fn parse(files: &FileSet, kind: Kind) -> Result<Model, ParseError> {
    let mut notes = Notes::default();
    let mut graphs = Graphs::new(files.source(0));
    let variables = match kind {
        Kind::Checkpoint => Some(bundle::read(files, 0, &mut notes)?),
        Kind::Graph => {
            graphs.file(&mut notes)?;
            None
        }
        Kind::SavedModel => {
            let index = files.find(VARIABLES_INDEX);
            let variables = index.map(|index| bundle::read(files, index, &mut notes)).transpose()?;
            let constants_count = variables.as_ref().is_none_or(Vec::is_empty);
            graphs.saved_model(constants_count, &mut notes)?;
            if index.is_none() && graphs.variables > 0 {
                return Err(missing("the variables", VARIABLES_INDEX));
            }
            variables.filter(|_| !constants_count)
        }
    };
    notes.count("graph.nodes", graphs.nodes)?;
    notes.count("graph.constants", graphs.tensors.len() as u64 + graphs.others)?;
    let (mut tensors, filled) = variables.map_or((graphs.tensors, graphs.filled), |found| (found, 0));
    let bytes = (0..files.len()).fold(0u64, |sum, no| sum.saturating_add(files.source(no).len()));
    shared::settle(&mut tensors, bytes, filled)?;
    Ok(Model {
        format: Format::TensorFlow,
        architecture: UNKNOWN_ARCHITECTURE.into(),
        metadata: notes.finish(),
        tensors,
    })
}

/// The checksums of the weights of a model that [`parse`] reads; none where it has no checkpoint.
///
/// # Errors
/// As [`parse`].
pub fn checksums(files: &FileSet, kind: Kind) -> Result<Vec<Checksum>, ParseError> {
    let index = match kind {
        Kind::Checkpoint => Some(0),
        Kind::Graph => None,
        Kind::SavedModel => files.find(VARIABLES_INDEX),
    };
    index.map_or(Ok(Vec::new()), |index| bundle::checksums(files, index))
}

/// The names of the shards of a checkpoint whose index has the name `index`.
pub(super) fn shards(index: &str, source: &dyn Source) -> Result<Vec<String>, ParseError> {
    let count = bundle::header(source)?.shards;
    let prefix = index.strip_suffix(".index").unwrap_or(index);
    Ok((0..count).map(|no| bundle::shard_name(prefix, no, count)).collect())
}

/// True when a file ends as the index of a checkpoint does.
pub(super) fn is_table(source: &dyn Source) -> Result<bool, ParseError> {
    let mut magic = [0; 8];
    let Some(at) = source.len().checked_sub(8) else { return Ok(false) };
    source.read_at(at, &mut magic)?;
    Ok(magic == table::MAGIC.to_le_bytes())
}
