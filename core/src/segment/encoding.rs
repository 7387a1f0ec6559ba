//! Lossless encoding of segments. `docs/segment-format.md` describes it byte by byte.
//!
//! In a segment the bytes of one place in
//! each weight (or block) are brought together into a plane: exponents beside exponents compress,
//! mantissas beside mantissas do not, and are then left alone. The idea is that of HDF5's shuffle
//! filter and of ZipNN (arXiv 2411.05239).

use super::planes;
use super::slicing::SEGMENT_BYTES;
use zstd::bulk::{Compressor, Decompressor};

/// zstd's level. 1 and 3 differ by less than 0.5 % on byte planes, in which there is little to match.
const LEVEL: i32 = 1;

/// The number of the layout that is written. Every number that was ever written is decoded for ever.
pub const LAYOUT: u8 = 1;
/// The header of an encoded segment: number of the layout (8 bits), stride (16), raw length (32).
const HEADER_BYTES: usize = 7;
/// The header of an encoded plane: encoded length (32 bits); the top bit says that zstd was used.
const PLANE_HEADER_BYTES: usize = 4;
const COMPRESSED: u32 = 1 << 31;

/// Why an encoded segment could not be decoded: it was damaged, since every segment we write decodes.
#[derive(Debug, thiserror::Error)]
#[error("damaged segment: {0}")]
pub struct SegmentError(&'static str);

/// Encodes segments. It holds zstd's working memory, so keep one for each thread.
pub struct Encoder {
    zstd: Compressor<'static>,
    plane: Vec<u8>,
    compressed: Vec<u8>,
}

impl Default for Encoder {
    fn default() -> Self {
        let zstd = Compressor::new(LEVEL).expect("zstd knows its level");
        Self { zstd, plane: Vec::new(), compressed: Vec::new() }
    }
}

impl Encoder {
    /// Encodes one segment of at most [`SEGMENT_BYTES`] to `out`, in place of what it held. `stride`
    /// is the width in bytes of a weight, or of a block; any stride is right, a fitting one compresses.
    pub fn encode(&mut self, raw: &[u8], stride: usize, out: &mut Vec<u8>) {
        assert!(raw.len() <= SEGMENT_BYTES, "a segment of {} bytes", raw.len());
        let stride = stride.clamp(1, raw.len().max(1)).min(usize::from(u16::MAX));
        out.clear();
        out.reserve(HEADER_BYTES + raw.len() + stride * PLANE_HEADER_BYTES);
        out.push(LAYOUT);
        out.extend((stride as u16).to_le_bytes());
        out.extend((raw.len() as u32).to_le_bytes());
        for index in 0..stride {
            planes::gather(raw, stride, index, &mut self.plane);
            self.push_plane(out);
        }
    }

    fn push_plane(&mut self, out: &mut Vec<u8>) {
        if planes::looks_compressible(&self.plane) {
            self.compressed.resize(self.plane.len(), 0);
            // An error says that the result would not be shorter.
            if let Ok(length) = self.zstd.compress_to_buffer(&self.plane, &mut self.compressed[..]) {
                out.extend((length as u32 | COMPRESSED).to_le_bytes());
                out.extend(&self.compressed[..length]);
                return;
            }
        }
        out.extend((self.plane.len() as u32).to_le_bytes());
        out.extend(&self.plane);
    }
}

/// What stands before the planes of an encoded segment, and the planes.
#[derive(Clone, Copy)]
struct Header<'a> {
    stride: usize,
    length: usize,
    planes: &'a [u8],
}

impl<'a> Header<'a> {
    fn read(encoded: &'a [u8]) -> Result<Self, SegmentError> {
        let (header, planes) = encoded.split_at_checked(HEADER_BYTES).ok_or(SegmentError("no header"))?;
        if header[0] != LAYOUT {
            return Err(SegmentError("unknown layout"));
        }
        let stride = usize::from(u16::from_le_bytes([header[1], header[2]]));
        let length = u32::from_le_bytes([header[3], header[4], header[5], header[6]]) as usize;
        if length > SEGMENT_BYTES || stride == 0 || stride > length.max(1) {
            return Err(SegmentError("impossible header"));
        }
        Ok(Self { stride, length, planes })
    }

    fn plane_length(&self, index: usize) -> usize {
        planes::length(self.length, self.stride, index)
    }
}

/// A plane as it is stored.
struct Plane<'a> {
    body: &'a [u8],
    is_compressed: bool,
    /// Bytes of the plane itself.
    length: usize,
}

impl<'a> Plane<'a> {
    /// The first plane of the rest of a segment, and what is behind it.
    fn split(rest: &'a [u8], length: usize) -> Result<(Self, &'a [u8]), SegmentError> {
        let (head, body) = rest.split_first_chunk().ok_or(SegmentError("a plane is missing"))?;
        let head = u32::from_le_bytes(*head);
        let (body, behind) = body
            .split_at_checked((head & !COMPRESSED) as usize)
            .ok_or(SegmentError("a plane is cut short"))?;
        Ok((Self { body, is_compressed: head & COMPRESSED != 0, length }, behind))
    }

    /// Its bytes: as they are stored, or expanded to a place of their length.
    fn bytes_in<'b>(
        self,
        zstd: &mut Decompressor<'static>,
        place: &'b mut [u8],
    ) -> Result<&'b [u8], SegmentError>
    where
        'a: 'b,
    {
        let bytes = if self.is_compressed {
            let n = zstd
                .decompress_to_buffer(self.body, place)
                .map_err(|_| SegmentError("zstd refuses a plane"))?;
            &place[..n]
        } else {
            self.body
        };
        if bytes.len() != self.length {
            return Err(SegmentError("a plane has the wrong length"));
        }
        Ok(bytes)
    }
}

/// Refuses bytes that no plane has.
fn check_end(rest: &[u8]) -> Result<(), SegmentError> {
    if rest.is_empty() { Ok(()) } else { Err(SegmentError("trailing bytes after the last plane")) }
}

/// Decodes segments. It holds zstd's working memory, so keep one for each thread.
pub struct Decoder {
    zstd: Decompressor<'static>,
    plane: Vec<u8>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { zstd: Decompressor::new().expect("zstd needs no setting to decode"), plane: Vec::new() }
    }
}

impl Decoder {
    /// Decodes one segment to its raw bytes, in place of what `raw` held.
    ///
    /// # Errors
    /// [`SegmentError`] when the bytes are not what [`Encoder::encode`] wrote; `raw` is then undefined.
    pub fn decode(&mut self, encoded: &[u8], raw: &mut Vec<u8>) -> Result<(), SegmentError> {
        let header = Header::read(encoded)?;
        // Old bytes may stay: the planes cover every byte.
        raw.resize(header.length, 0);
        self.decode_planes(header, raw)
    }

    /// Decodes bytes `skip..skip + out.len()` of one segment to `out`: a whole segment without a copy, a part
    /// of one by way of `scratch`.
    ///
    /// # Errors
    /// As [`decode`](Self::decode), and when the segment has not so many bytes; `out` is then undefined.
    pub fn decode_part(
        &mut self,
        encoded: &[u8],
        skip: usize,
        out: &mut [u8],
        scratch: &mut Vec<u8>,
    ) -> Result<(), SegmentError> {
        let header = Header::read(encoded)?;
        if skip == 0 && out.len() == header.length {
            return self.decode_planes(header, out);
        }
        scratch.resize(header.length, 0);
        self.decode_planes(header, scratch)?;
        let part = scratch.get(skip..).and_then(|rest| rest.get(..out.len()));
        out.copy_from_slice(part.ok_or(SegmentError("it is too short"))?);
        Ok(())
    }

    /// Decodes all planes to a place of the header's length.
    fn decode_planes(&mut self, header: Header, raw: &mut [u8]) -> Result<(), SegmentError> {
        match header.stride {
            2 => planes::join2(self.expand(header)?, raw),
            4 => planes::join4(self.expand(header)?, raw),
            stride => {
                let mut rest = header.planes;
                for index in 0..stride {
                    let (plane, behind) = Plane::split(rest, header.plane_length(index))?;
                    rest = behind;
                    self.plane.resize(plane.length, 0);
                    let plane = plane.bytes_in(&mut self.zstd, &mut self.plane)?;
                    planes::scatter(plane, stride, index, raw);
                }
                check_end(rest)?;
            }
        }
        Ok(())
    }

    /// All planes of a segment of few.
    fn expand<'a, const STRIDE: usize>(
        &'a mut self,
        header: Header<'a>,
    ) -> Result<[&'a [u8]; STRIDE], SegmentError> {
        self.plane.resize(header.length, 0);
        let (mut rest, mut place) = (header.planes, &mut self.plane[..]);
        let mut all = [&[][..]; STRIDE];
        for (index, expanded) in all.iter_mut().enumerate() {
            let length = header.plane_length(index);
            let (plane, behind) = Plane::split(rest, length)?;
            let (own, places) = place.split_at_mut(length);
            (rest, place) = (behind, places);
            *expanded = plane.bytes_in(&mut self.zstd, own)?;
        }
        check_end(rest)?;
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(raw: &[u8], stride: usize) -> Vec<u8> {
        let mut out = Vec::new();
        Encoder::default().encode(raw, stride, &mut out);
        out
    }

    /// xorshift64*: reproducible noise.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 0x2545_f491_4f6c_dd1du64;
        (0..length)
            .map(|_| {
                state ^= state >> 12;
                state ^= state << 25;
                state ^= state >> 27;
                (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 56) as u8
            })
            .collect()
    }

    #[test]
    fn every_length_and_stride_comes_back() {
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        // Kept from one segment to the next, as the workers keep them.
        let (mut encoded, mut decoded) = (Vec::new(), Vec::new());
        for length in (0..70).chain([1000, 4099, SEGMENT_BYTES - 1, SEGMENT_BYTES]) {
            let mixed: Vec<u8> = noise(length)
                .iter()
                .enumerate()
                .map(|(i, byte)| if i % 3 == 0 { 7 } else { *byte })
                .collect();
            for stride in [0, 1, 2, 3, 4, 8, 18, 20, 210, 292, 70_000] {
                for raw in [&mixed, &vec![0; length]] {
                    encoder.encode(raw, stride, &mut encoded);
                    decoder.decode(&encoded, &mut decoded).unwrap();
                    assert_eq!(&decoded, raw, "{length} bytes, stride {stride}");
                }
            }
        }
    }

    #[test]
    fn a_part_of_a_segment_is_that_part_of_its_bytes() {
        let raw = noise(1001);
        let encoded = encoded(&raw, 4);
        let (mut decoder, mut scratch) = (Decoder::default(), Vec::new());
        for (skip, length) in [(0, 1001), (0, 1000), (1, 1000), (400, 1), (1001, 0), (0, 0)] {
            let mut out = vec![0xee; length];
            decoder.decode_part(&encoded, skip, &mut out, &mut scratch).unwrap();
            assert_eq!(out, raw[skip..skip + length], "{length} bytes from {skip} on");
        }
        for (skip, length) in [(0, 1002), (1, 1001), (1001, 1), (1002, 0)] {
            let error = decoder.decode_part(&encoded, skip, &mut vec![0; length], &mut scratch).unwrap_err();
            assert_eq!(error.to_string(), "damaged segment: it is too short");
        }
    }

    #[test]
    fn the_example_of_the_docs() {
        let example =
            [&[1, 2, 0, 5, 0, 0, 0][..], &[3, 0, 0, 0, 0xa0, 0xa1, 0xa2], &[2, 0, 0, 0, 0xb0, 0xb1]];
        assert_eq!(encoded(&[0xa0, 0xb0, 0xa1, 0xb1, 0xa2], 2), example.concat());
    }

    #[test]
    fn noise_grows_by_its_headers_only() {
        let raw = noise(SEGMENT_BYTES);
        assert_eq!(encoded(&raw, 4).len(), raw.len() + HEADER_BYTES + 4 * PLANE_HEADER_BYTES);
    }

    #[test]
    fn floats_of_one_magnitude_shrink() {
        // From 1 to 2: the plane of the exponents is constant, the others are noise.
        let raw: Vec<u8> = noise(SEGMENT_BYTES / 4 * 3)
            .as_chunks::<3>()
            .0
            .iter()
            .flat_map(|[a, b, c]| {
                f32::from_bits(u32::from_le_bytes([*a, *b, c & 0x7f, 0]) | 0x3f80_0000).to_le_bytes()
            })
            .collect();
        assert!(encoded(&raw, 4).len() < raw.len() * 3 / 4);
    }

    #[test]
    fn damage_is_an_error_and_no_panic() {
        let raw = vec![3; 5000];
        let encoded = encoded(&raw, 4);
        let (mut decoder, mut other) = (Decoder::default(), Vec::new());
        for cut in 0..encoded.len() {
            assert!(decoder.decode(&encoded[..cut], &mut other).is_err());
        }
        for position in 0..encoded.len() {
            for bit in 0..8 {
                let mut damaged = encoded.clone();
                damaged[position] ^= 1 << bit;
                // It may decode to something else (the content's hash tells), but to nothing larger.
                if decoder.decode(&damaged, &mut other).is_ok() {
                    assert!(other.len() <= SEGMENT_BYTES);
                }
            }
        }
    }
}
