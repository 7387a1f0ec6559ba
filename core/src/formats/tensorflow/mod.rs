//! TensorFlow: SavedModel folders, checkpoints, and frozen graphs. Nothing of a graph is run.
//!
//! What is listed: of a checkpoint its variables; of a frozen graph its constants; of a SavedModel
//! its variables, and its graph's constants where they are the greater part of the weights. Most constants of a graph
//! with variables are axes, shapes and paddings: those are counted.

mod bundle;
mod graph;
mod object_graph;
mod slices;
mod sniff;
mod sstable;
mod tensor;
mod texts;

use crate::formats::checksum::Checksum;
use crate::formats::error::{ParseError, missing};
use crate::formats::files::{FileSet, FirstFile, Hidden, Siblings, list_folder};
use crate::formats::limits::check_tensor_count;
use crate::formats::reader::{Content, FormatReader};
use crate::formats::support::metadata_builder::{MetadataBuilder, push_unlisted};
use crate::formats::support::overlaps::resolve_overlaps;
use crate::metadata::Detail;
use crate::model::{Format, Model, Tensor};
use graph::{Constants, Graphs};
use sniff::{Kind, kind_of};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// The graph of a SavedModel.
const SAVED_MODEL: &str = "saved_model.pb";
/// What stands beside it in its folder.
const SAVED_MODEL_PARTS: &[&str] =
    &[SAVED_MODEL, "keras_metadata.pb", "fingerprint.pb", "variables", "assets", "assets.extra", "debug"];
/// The index of a SavedModel's variables.
const VARIABLES_INDEX: &str = "variables/variables.index";
/// The end of the name of a checkpoint's index.
const INDEX_SUFFIX: &str = ".index";

/// The reader of TensorFlow's own files.
pub(super) struct TensorFlow;

impl FormatReader for TensorFlow {
    fn format(&self) -> Format {
        Format::TensorFlow
    }

    fn sniff(&self, content: &Content) -> Result<bool, ParseError> {
        Ok(kind_of(content.source)?.is_some())
    }

    /// What TensorFlow calls a checkpoint's path is only what the names of its files begin with.
    fn locate(&self, path: &Path) -> Option<PathBuf> {
        let mut index = path.file_name()?.to_os_string();
        index.push(INDEX_SUFFIX);
        let index = path.with_file_name(index);
        (!path.exists() && index.is_file()).then_some(index)
    }

    fn siblings(&self, file: &FirstFile) -> Result<Siblings, ParseError> {
        match kind_of(file.source())? {
            Some(Kind::SavedModel) if file.name() == SAVED_MODEL => {
                let mut paths = list_folder(&file.folder(), Hidden::List)?;
                paths.retain(|path| {
                    path.split('/').next().is_some_and(|part| SAVED_MODEL_PARTS.contains(&part))
                });
                paths.sort_by_key(|path| (path != SAVED_MODEL, path.clone()));
                Ok(Siblings::Beneath(paths))
            }
            Some(Kind::Checkpoint) => {
                let mut shards = bundle::shard_names(file.name(), file.source())?;
                // The graph that was saved with the variables, where it was.
                let prefix = file.name().strip_suffix(INDEX_SUFFIX).unwrap_or(file.name());
                let graph = format!("{prefix}.meta");
                if file.has_beside(&graph) {
                    shards.push(graph);
                }
                Ok(Siblings::Beside(shards))
            }
            _ => Ok(Siblings::None),
        }
    }

    fn shards(&self, _files: &FileSet) -> Vec<usize> {
        vec![0]
    }

    fn parse(&self, files: &FileSet, _detail: Detail) -> Result<Model, ParseError> {
        let mut metadata = MetadataBuilder::default();
        let kind = kind_of(files.source(0))?;
        let index = match kind {
            Some(Kind::Checkpoint) => Some(0),
            Some(Kind::SavedModel) => files.find(VARIABLES_INDEX),
            Some(Kind::Graph) | None => None,
        };
        let (variables, mut unlisted) =
            index.map(|index| bundle::read(files, index, &mut metadata)).transpose()?.unwrap_or_default();
        let constants = if variables.is_empty() { Constants::All } else { Constants::BesideVariables };
        let mut graphs = Graphs::new(files.source(0), constants);
        match kind {
            Some(Kind::Checkpoint) => {}
            Some(Kind::Graph) | None => graphs.file(&mut metadata)?,
            Some(Kind::SavedModel) => {
                graphs.saved_model(&mut metadata)?;
                if index.is_none() && graphs.variables > 0 {
                    return Err(missing("the variables", VARIABLES_INDEX));
                }
            }
        }
        graphs.leave_out_few(&variables, &mut unlisted);
        metadata.count("graph.nodes", graphs.nodes)?;
        metadata.count("graph.constants", graphs.tensors.len() as u64 + graphs.others)?;
        metadata.count("graph.constants_not_listed", graphs.others)?;
        metadata.count("graph.constant_bytes_not_listed", graphs.other_bytes)?;
        let mut tensors = variables;
        beside(&mut tensors, graphs.tensors);
        check_tensor_count(tensors.len() as u64)?;
        resolve_overlaps(&mut tensors, files.total_bytes(), graphs.filled)?;
        unlisted.extend(graphs.unlisted);
        let mut metadata = metadata.finish();
        push_unlisted(&mut metadata, unlisted);
        Ok(Model::new(Format::TensorFlow, metadata, tensors))
    }

    /// Those of a checkpoint.
    fn checksums(&self, files: &FileSet) -> Result<Vec<Checksum>, ParseError> {
        let index = match kind_of(files.source(0))? {
            Some(Kind::Checkpoint) => Some(0),
            Some(Kind::SavedModel) => files.find(VARIABLES_INDEX),
            Some(Kind::Graph) | None => None,
        };
        index.map_or(Ok(Vec::new()), |index| bundle::checksums(files, index))
    }
}

/// Adds constants to variables. Both have names of their own, so one may be that of the other.
fn beside(variables: &mut Vec<Tensor>, mut constants: Vec<Tensor>) {
    let taken: HashSet<&str> = variables.iter().map(|variable| variable.name.as_str()).collect();
    for constant in &mut constants {
        if taken.contains(constant.name.as_str()) {
            constant.name.insert_str(0, "graph/");
        }
    }
    variables.append(&mut constants);
}
