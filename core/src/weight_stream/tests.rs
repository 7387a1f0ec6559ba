use super::*;
use crate::dtype::{DTYPES, Dtype};
use crate::source::{Source, SourceError};
use proptest::prelude::*;
use std::sync::Arc;

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// Tensors in memory; remembers what was read.
struct Memory {
    bytes: Vec<Vec<u8>>,
    reads: Vec<(usize, u64, usize)>,
}

impl TensorBytes for Memory {
    type Error = Failure;

    fn read(&mut self, index: usize, _: &Tensor, offset: u64, buf: &mut [u8]) -> Result<(), Failure> {
        self.reads.push((index, offset, buf.len()));
        Ok((&self.bytes[index][..]).read_at(offset, buf)?)
    }
}

fn tensor(dtype: Dtype, byte_length: u64) -> Tensor {
    let row = dtype.info();
    let weight_count = byte_length / u64::from(row.block_bytes) * u64::from(row.block_weights);
    Tensor {
        name: dtype.name().into(),
        shape: vec![weight_count],
        dtype,
        file_no: 0,
        offset: 0,
        byte_length,
        weight_count,
        lazy: None,
        affine: None,
    }
}

fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// A model of tensors of these types and numbers of blocks.
fn model(seeds: &[(usize, usize)]) -> (Vec<Tensor>, Memory) {
    let decodable: Vec<Dtype> =
        DTYPES.iter().map(|row| row.dtype).filter(|dtype| dtype.is_decodable()).collect();
    let (mut tensors, mut bytes) = (Vec::new(), Vec::new());
    for (number, (dtype, blocks)) in seeds.iter().enumerate() {
        let dtype = decodable[dtype % decodable.len()];
        let length = blocks * dtype.info().block_bytes as usize;
        tensors.push(tensor(dtype, length as u64));
        bytes.push(noise(length, number as u64));
    }
    (tensors, Memory { bytes, reads: Vec::new() })
}

/// Tensor, index, value's bits, atom's content.
type Row = (String, u64, u32, Vec<u8>);

fn collect(mut stream: WeightStream, memory: &mut Memory) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    while let Some(weight) = stream.next(memory)? {
        let atomic = weight.atomic_value.as_bytes().to_vec();
        rows.push((weight.tensor.name.clone(), weight.index, weight.value.to_bits(), atomic));
    }
    assert!(stream.next(memory)?.is_none(), "the end stays the end");
    Ok(rows)
}

fn naive(tensors: &[Tensor], memory: &Memory) -> Vec<Row> {
    let mut rows = Vec::new();
    for (tensor, bytes) in tensors.iter().zip(&memory.bytes) {
        let weights = decode(tensor.dtype, bytes).unwrap();
        rows.extend((0..weights.len()).map(|i| {
            let atomic = weights.atomic_value(i).as_bytes().to_vec();
            (tensor.name.clone(), i as u64, weights.f32(i).to_bits(), atomic)
        }));
    }
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_stream_is_a_part_of_all_weights(
        seeds in prop::collection::vec((any::<usize>(), 0usize..12), 0..6),
        offset in 0u64..4000, count in 0u64..4000,
    ) {
        let (tensors, mut memory) = model(&seeds);
        let all = naive(&tensors, &memory);
        let from = (offset as usize).min(all.len());
        let to = (offset as usize + count as usize).min(all.len());
        let rows = collect(WeightStream::new(tensors, offset, count), &mut memory).unwrap();
        prop_assert_eq!(&rows[..], &all[from..to]);
    }
}

#[test]
fn pieces_of_a_large_tensor_join() {
    let (tensors, mut memory) = model(&[(0, 50_000)]);
    let all = naive(&tensors, &memory);
    let rows = collect(WeightStream::new(tensors, 7, u64::MAX), &mut memory).unwrap();
    assert_eq!(rows, all[7..]);
    assert_eq!(memory.reads.len(), 4, "{:?}", memory.reads);
    assert!(memory.reads.windows(2).all(|pair| pair[0].1 + pair[0].2 as u64 == pair[1].1), "front to back");
}

#[test]
fn no_more_is_read_than_is_wanted() {
    let (tensors, mut memory) = model(&[(0, 50_000)]);
    let rows = collect(WeightStream::new(tensors, 10, 3), &mut memory).unwrap();
    assert_eq!((rows.len(), &memory.reads[..]), (3, &[(0, 40, 12)][..]));
}

#[test]
fn a_type_without_a_decoder_is_an_error() {
    let tensors = vec![tensor(Dtype::F4, 8)];
    let mut memory = Memory { bytes: vec![vec![0; 8]], reads: Vec::new() };
    let error = collect(WeightStream::new(tensors, 0, 1), &mut memory).unwrap_err();
    assert!(matches!(error, Failure::Decode(DecodeError::Unsupported(Dtype::F4))));
}

/// Computed bytes: those of the file, each increased by one.
#[derive(Debug)]
struct Increased;

impl crate::lazy_tensor::LazyTensor for Increased {
    fn open<'a>(&self, file: &'a dyn Source) -> Result<Box<dyn Source + 'a>, SourceError> {
        struct Open<'a>(&'a dyn Source);
        impl Source for Open<'_> {
            fn len(&self) -> u64 {
                self.0.len()
            }

            fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), SourceError> {
                self.0.read_at(offset, buf)?;
                buf.iter_mut().for_each(|byte| *byte = byte.wrapping_add(1));
                Ok(())
            }
        }
        Ok(Box::new(Open(file)))
    }
}

/// Opens the source of a tensor as the extension does.
struct Opened(Vec<u8>);

impl TensorBytes for Opened {
    type Error = Failure;

    fn read(&mut self, _: usize, tensor: &Tensor, offset: u64, buf: &mut [u8]) -> Result<(), Failure> {
        Ok(tensor.open(&&self.0[..])?.read_at(offset, buf)?)
    }
}

#[test]
fn computed_tensors_stream_their_computed_bytes() {
    let computed = Tensor { lazy: Some(Arc::new(Increased)), ..tensor(Dtype::U8, 5) };
    let plain = Tensor { offset: 1, ..tensor(Dtype::U8, 4) };
    let mut stream = WeightStream::new(vec![computed, plain], 3, 4);
    let mut values = Vec::new();
    while let Some(weight) = stream.next(&mut Opened(vec![10, 20, 30, 40, 50])).unwrap() {
        values.push(weight.value);
    }
    assert_eq!(values, [41.0, 51.0, 20.0, 30.0]);
}
