//! How much is searched. A model needs far less; what is beyond is named as not searched, and is suspicious.

/// Archives, arrays and pickles within each other. Real ones have two: an array in an archive.
pub const MAX_NESTED: usize = 8;
/// Files and entries of archives, all together: as many as a model may have tensors.
pub const MAX_PARTS: u64 = 1 << 20;
/// Bytes of all that is inflated, which is held entry by entry.
pub const MAX_INFLATED_BYTES: u64 = 1 << 30;
/// Bytes of one entry that are inflated and held.
pub const MAX_HELD_ENTRY_BYTES: u64 = 64 << 20;
/// Opcodes of all pickles: four of the largest that are read.
pub const MAX_PICKLE_OPCODES: u64 = 1 << 26;
/// Pickles one behind the other in one file. Files of records have thousands.
pub const MAX_STACKED_PICKLES: usize = 1 << 14;
/// Bytes that are searched for further pickles behind a first one, all together.
pub const MAX_SEARCHED_BYTES: u64 = 1 << 30;
/// Bytes of one text that is examined as JSON: tokenizers have tens of megabytes.
pub const MAX_JSON_TEXT_BYTES: u64 = 64 << 20;
/// Values of one text of JSON, which take more memory than their text.
pub const MAX_JSON_VALUES: usize = 1 << 22;
/// Values within each other in JSON.
pub const MAX_JSON_DEPTH: usize = 128;
/// Bytes of a script, of YAML, or of a template's file that are searched.
pub const MAX_TEXT_FILE_BYTES: u64 = 16 << 20;
/// Bytes of one template.
pub const MAX_TEMPLATE_BYTES: usize = 1 << 20;
/// Bytes of a header that extends a tar archive's.
pub const MAX_TAR_HEADER_BYTES: u64 = 1 << 20;
/// Messages of a graph that wait to be read: of one graph, all nodes and tensors.
pub const MAX_OPEN_MESSAGES: usize = 1 << 21;
/// Different names of a graph's operators, functions and files.
pub const MAX_GRAPH_NAMES: usize = 1 << 18;
/// Different findings of a report.
pub const MAX_FINDINGS: usize = 10_000;

/// What is left of the limits that hold for all files together.
#[derive(Debug)]
pub(super) struct Budget {
    /// Of [`MAX_PARTS`].
    pub(super) parts: u64,
    /// Of [`MAX_INFLATED_BYTES`].
    pub(super) inflated: u64,
    /// Of [`MAX_PICKLE_OPCODES`].
    pub(super) opcodes: u64,
    /// Of [`MAX_SEARCHED_BYTES`].
    pub(super) searched: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            parts: MAX_PARTS,
            inflated: MAX_INFLATED_BYTES,
            opcodes: MAX_PICKLE_OPCODES,
            searched: MAX_SEARCHED_BYTES,
        }
    }
}
