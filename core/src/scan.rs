//! Going through the stored segments of a model in the order of its files: each file's SHA-256, and
//! the census of its weights.

use crate::census::{Census, Choice, Counts, Feed};
use crate::codec::CodecError;
use crate::hash::{Hash, Hasher};
use crate::parallel;
use crate::quant::Dtype;

/// The bytes of one segment that belong to one place of a file.
#[derive(Debug, Clone, Copy)]
pub struct Piece {
    /// The content.
    pub hash: Hash,
    /// The segment of the content.
    pub segment_no: u64,
    /// First byte of the decoded segment.
    pub skip: usize,
    /// Number of bytes.
    pub length: usize,
    /// The tensor they belong to, by its number in the model; none for other bytes of the file.
    pub tensor: Option<usize>,
}

impl Piece {
    /// The piece's bytes of its decoded segment; none where the segment is too short.
    pub fn of<'a>(&self, segment: &'a [u8]) -> &'a [u8] {
        segment.get(self.skip..self.skip + self.length).unwrap_or_default()
    }
}

/// The state of a scan.
pub struct Scan {
    census: Census,
    dtypes: Vec<Dtype>,
    feeds: Vec<Feed>,
    file: Hasher,
    /// Decoded segments; kept for their memory.
    segments: Vec<Vec<u8>>,
}

impl Scan {
    /// A scan of a model with these tensors: data type and number of weights of each.
    pub fn new(choice: Choice, tensors: impl Iterator<Item = (Dtype, u64)> + Clone) -> Self {
        Self {
            census: Census::new(choice, tensors.clone()),
            feeds: tensors.clone().map(|_| Feed::default()).collect(),
            dtypes: tensors.map(|(dtype, _)| dtype).collect(),
            file: Hasher::default(),
            segments: Vec::new(),
        }
    }

    /// Takes the next pieces of the file, with their encoded segments. Call it within
    /// [`parallel::overlap`]. Returns counts that are to be handed over because memory is full.
    ///
    /// # Errors
    /// The number of a damaged segment among `encoded`, and what is wrong with it.
    pub fn add(&mut self, pieces: &[Piece], encoded: &[Vec<u8>]) -> Result<Counts, (usize, CodecError)> {
        let Self { census, dtypes, feeds, file, segments } = self;
        parallel::decode_all(encoded, segments)?;
        let bytes =
            || pieces.iter().zip(&*segments).map(|(piece, segment)| (piece.tensor, piece.of(segment)));
        let ((), counts) = rayon::join(
            || bytes().for_each(|(_, bytes)| file.update(bytes)),
            || {
                let mut counts = Counts::new();
                for (tensor, bytes) in bytes() {
                    if let Some(no) = tensor {
                        // Types without a decoder are passed over, and a feed hands on whole blocks only.
                        counts.extend(census.add(dtypes[no], &mut feeds[no], bytes).unwrap_or_default());
                    }
                }
                counts
            },
        );
        Ok(counts)
    }

    /// The SHA-256 of all pieces since the last call.
    pub fn finish_file(&mut self) -> Hash {
        std::mem::take(&mut self.file).finish()
    }

    /// The data types whose weights become atoms, all counts not yet handed over, and the number of
    /// zeros in each tensor.
    pub fn finish(self) -> (Vec<Dtype>, Counts, Vec<u64>) {
        let Self { census, feeds, .. } = self;
        let ((chosen, counts), ()) = parallel::overlap(|| census.finish(), || ());
        (chosen, counts, feeds.into_iter().map(|feed| feed.zeros).collect())
    }
}
