//! TensorFlow: SavedModel folders, checkpoints, and frozen graphs. Nothing of a graph is run.
//!
//! What is listed: of a checkpoint its variables; of a frozen graph its constants; of a SavedModel
//! its variables, or its graph's constants where it has none. A graph with variables has constants
//! too, but those are axes, shapes and paddings.

mod bundle;
mod graph;
mod object_graph;
mod slices;
mod sniff;
mod sstable;
mod tensor;

use crate::formats::checksum::Checksum;
use crate::formats::error::{ParseError, missing};
use crate::formats::files::{FileSet, FirstFile, Hidden, Siblings, list_folder};
use crate::formats::reader::{Content, FormatReader};
use crate::formats::support::metadata_builder::MetadataBuilder;
use crate::formats::support::overlaps::resolve_overlaps;
use crate::metadata::Detail;
use crate::model::{Format, Model};
use graph::Graphs;
use sniff::{Kind, kind_of};
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
        let mut graphs = Graphs::new(files.source(0));
        let variables = match kind_of(files.source(0))? {
            Some(Kind::Checkpoint) => Some(bundle::read(files, 0, &mut metadata)?),
            Some(Kind::Graph) | None => {
                graphs.file(&mut metadata)?;
                None
            }
            Some(Kind::SavedModel) => {
                let index = files.find(VARIABLES_INDEX);
                let variables = index.map(|index| bundle::read(files, index, &mut metadata)).transpose()?;
                let constants_count = variables.as_ref().is_none_or(Vec::is_empty);
                graphs.saved_model(constants_count, &mut metadata)?;
                if index.is_none() && graphs.variables > 0 {
                    return Err(missing("the variables", VARIABLES_INDEX));
                }
                variables.filter(|_| !constants_count)
            }
        };
        metadata.count("graph.nodes", graphs.nodes)?;
        metadata.count("graph.constants", graphs.tensors.len() as u64 + graphs.others)?;
        let (mut tensors, filled) = variables.map_or((graphs.tensors, graphs.filled), |found| (found, 0));
        resolve_overlaps(&mut tensors, files.total_bytes(), filled)?;
        Ok(Model::new(Format::TensorFlow, metadata.finish(), tensors))
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
