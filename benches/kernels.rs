//! Kernels of the engine on real weights: `cargo bench -p atomizer-core --bench kernels`.
//! The data are the tensors of the models under target/models (tools/fetch-models); a group whose
//! model is absent is left out, and says so.

use atomizer_core::dtype::{DTYPES, Dtype};
use atomizer_core::formats::{self, Detail, FileSet, open_path};
use atomizer_core::model::Model;
use atomizer_core::parallel;
use atomizer_core::segment::{Decoder, Encoder, SEGMENT_BYTES};
use atomizer_core::weight_counts::{BlockCarry, DistinctWeightCounter, WeightAtomPolicy};
use atomizer_core::weights::{self, AtomicValue, Width};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use std::hint::black_box;
use std::path::PathBuf;

/// Bytes of tensors that a kernel goes through at a time.
const SAMPLE_BYTES: usize = 8 << 20;

fn models() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/models")
}

fn open(name: &str) -> Option<(FileSet<'static>, Model)> {
    let path = models().join(name);
    if !path.exists() {
        eprintln!("{name} is absent: run tools/fetch-models");
        return None;
    }
    let files = open_path(&path).expect("a model file opens");
    let model = formats::parse(&files, None, Detail::Summary).expect("a model file parses");
    Some((files, model))
}

/// The first bytes of a model's tensors of one type, in whole blocks.
fn sample(name: &str, dtype: Dtype) -> Option<Vec<u8>> {
    let (files, model) = open(name)?;
    let mut bytes = Vec::new();
    for tensor in model.tensors.iter().filter(|tensor| tensor.dtype == dtype) {
        let mut part = vec![0; tensor.byte_length as usize];
        files.source(tensor.file_no).read_at(tensor.offset, &mut part).expect("a tensor's bytes are there");
        bytes.extend(part);
        if bytes.len() >= SAMPLE_BYTES {
            break;
        }
    }
    let block = dtype.info().block_bytes as usize;
    bytes.truncate(SAMPLE_BYTES.min(bytes.len()) / block * block);
    (!bytes.is_empty()).then_some(bytes)
}

fn samples() -> Vec<(&'static str, Dtype, Vec<u8>)> {
    [
        ("minilm-l6-v2.safetensors", Dtype::F32),
        ("minilm-bf16.safetensors", Dtype::BF16),
        ("minilm-f16.safetensors", Dtype::F16),
        ("smollm2-135m-q4_1.gguf", Dtype::Q4_1),
        ("smollm2-135m-q4_1.gguf", Dtype::Q8_0),
    ]
    .into_iter()
    .filter_map(|(name, dtype)| Some((dtype.name(), dtype, sample(name, dtype)?)))
    .collect()
}

fn segments(c: &mut Criterion) {
    let mut group = c.benchmark_group("segments");
    for (name, dtype, bytes) in samples() {
        let stride = dtype.info().block_bytes as usize;
        let mut encoder = Encoder::default();
        let mut encode = |raw: &[u8]| {
            let mut encoded = Vec::new();
            encoder.encode(raw, stride, &mut encoded);
            encoded
        };
        let encoded: Vec<Vec<u8>> = bytes.chunks(SEGMENT_BYTES).map(&mut encode).collect();
        let size: usize = encoded.iter().map(Vec::len).sum();
        println!("{name}: {} bytes become {size}, {:.4}", bytes.len(), size as f64 / bytes.len() as f64);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        let mut out = Vec::new();
        group.bench_function(format!("encode {name}"), |b| {
            b.iter(|| bytes.chunks(SEGMENT_BYTES).for_each(|raw| encoder.encode(raw, stride, &mut out)))
        });
        let mut decoder = Decoder::default();
        group.bench_function(format!("decode {name}"), |b| {
            b.iter(|| {
                encoded.iter().for_each(|bytes| decoder.decode(bytes, &mut out).expect("it decodes"));
            })
        });
    }
}

fn decoding(c: &mut Criterion) {
    let mut group = c.benchmark_group("weights");
    for (name, dtype, bytes) in samples() {
        let count = weights::decode(dtype, &bytes).expect("it decodes").len() as u64;
        group.throughput(Throughput::Elements(count));
        group.bench_function(format!("decode {name}"), |b| {
            b.iter(|| black_box(weights::decode(dtype, &bytes).expect("it decodes")).len())
        });
        group.bench_function(format!("count {name}, {} threads", parallel::threads()), |b| {
            b.iter(|| {
                let mut counter = DistinctWeightCounter::new(WeightAtomPolicy::All, [(dtype, count)]);
                counter.add(dtype, &mut BlockCarry::default(), &bytes).expect("it decodes").len()
            })
        });
    }
    group.throughput(Throughput::Elements(1024));
    group.bench_function("hash of a weight", |b| {
        b.iter(|| {
            (0..1024u64).map(|bits| AtomicValue::from_bits(Width::F32, bits).hash()[0] as u64).sum::<u64>()
        })
    });
}

/// Weights that a decoder makes at a time: 256 KB, which stay in the cache.
const DECODED: usize = 1 << 16;

/// Blocks of any type with scales of a usual size: no bit pattern is a NaN or an infinity.
fn blocks(dtype: Dtype) -> Vec<u8> {
    let row = dtype.info();
    let mut state = 1u64;
    let length = DECODED / row.block_weights as usize * row.block_bytes as usize;
    let noise = (0..length).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        // The highest bit of each f16's exponent is clear, wherever it stands.
        (state >> 56) as u8 & 0xbf
    });
    noise.collect()
}

/// Every block type into the same place, beside filling and copying it: what memory allows.
fn dequantizing(c: &mut Criterion) {
    let mut group = c.benchmark_group("dequantize");
    let mut out = vec![0.0f32; DECODED];
    let from = vec![1.0f32; DECODED];
    group.throughput(Throughput::Bytes(4 * DECODED as u64));
    group.bench_function("fill", |b| b.iter(|| black_box(&mut out[..]).fill(black_box(1.0))));
    group.bench_function("copy", |b| b.iter(|| black_box(&mut out[..]).copy_from_slice(black_box(&from))));
    for row in DTYPES.iter().filter(|row| row.dtype.is_quantized()) {
        let bytes = blocks(row.dtype);
        group.bench_function(format!("{}, {} bytes read", row.name, bytes.len()), |b| {
            b.iter(|| {
                weights::decode_f32_into(row.dtype, black_box(&bytes), &mut out).expect("it decodes");
                black_box(&mut out);
            })
        });
    }
}

/// F16 and BF16 to f32, by the engine and by the crate `half`, which makes signalling NaN quiet.
fn widening(c: &mut Criterion) {
    let mut group = c.benchmark_group("widen");
    group.throughput(Throughput::Elements(DECODED as u64));
    let mut out = vec![0.0f32; DECODED];
    let words: Vec<u16> = (0..DECODED).map(|i| (i as u16).wrapping_mul(40_503) & 0xbfff).collect();
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    for dtype in [Dtype::F16, Dtype::BF16] {
        group.bench_function(format!("{} by the engine", dtype.name()), |b| {
            b.iter(|| {
                weights::decode_f32_into(dtype, black_box(&bytes), &mut out).expect("it decodes");
                black_box(&mut out);
            })
        });
    }
    let halves: Vec<f16> = words.iter().map(|word| f16::from_bits(*word)).collect();
    group.bench_function("F16 by half", |b| {
        b.iter(|| {
            black_box(&halves[..]).convert_to_f32_slice(&mut out);
            black_box(&mut out);
        })
    });
    let halves: Vec<bf16> = words.iter().map(|word| bf16::from_bits(*word)).collect();
    group.bench_function("BF16 by half", |b| {
        b.iter(|| {
            black_box(&halves[..]).convert_to_f32_slice(&mut out);
            black_box(&mut out);
        })
    });
}

fn opening(c: &mut Criterion) {
    let mut group = c.benchmark_group("open and list");
    for name in ["smollm2-135m-q4_1.gguf", "minilm-l6-v2.safetensors"] {
        if open(name).is_some() {
            group.bench_function(name, |b| b.iter(|| open(name).expect("it was there").1.tensors.len()));
        }
    }
}

criterion_group! {
    name = kernels;
    config = Criterion::default().sample_size(10);
    targets = segments, decoding, dequantizing, widening, opening
}
criterion_main!(kernels);
