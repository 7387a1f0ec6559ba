//! Segments that earlier versions wrote, each beside its raw bytes: `testdata/segments/layout-N`. What
//! was written once is decoded for ever. `docs/segment-format.md` says how a layout is added.

use super::encoding::{Decoder, Encoder, LAYOUT};
use super::slicing::SEGMENT_BYTES;
use crate::dtype::Dtype;
use crate::quant::quantize;
use std::fs;
use std::path::PathBuf;

fn directory(layout: u8) -> PathBuf {
    PathBuf::from(format!("{}/../testdata/segments/layout-{layout}", env!("CARGO_MANIFEST_DIR")))
}

/// Name, stride and raw bytes of what is kept of each layout: one of each way that a segment is encoded.
fn samples() -> Vec<(&'static str, usize, Vec<u8>)> {
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut noise = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    };
    let raw: Vec<u8> = (0..1500).map(|_| (noise() >> 56) as u8).collect();
    // The sum of twelve even numbers is nearly normal; weights of a layer are so.
    let weights: Vec<f32> = (0..1024)
        .map(|_| {
            let sum: f64 = (0..12).map(|_| (noise() >> 11) as f64 / (1u64 << 53) as f64).sum();
            ((sum - 6.0) * 0.02) as f32
        })
        .collect();
    let f32s: Vec<u8> = weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
    let of = |dtype| quantize(dtype, &weights).expect("finite weights in whole blocks");
    let text =
        b"{\"__metadata__\":{\"format\":\"pt\"},\"layer.0.weight\":{\"dtype\":\"F32\",\"shape\":[32,32]}} ";
    vec![
        ("f32", 4, f32s.clone()),
        ("bf16", 2, of(Dtype::BF16)),
        ("f16", 2, of(Dtype::F16)),
        ("f64", 8, weights[..300].iter().flat_map(|weight| f64::from(*weight).to_le_bytes()).collect()),
        ("q4_1", 20, of(Dtype::Q4_1)),
        ("q8_0", 34, of(Dtype::Q8_0)),
        // Blocks of a width that has no loop of its own.
        ("q5_1", 24, of(Dtype::Q5_1)),
        ("text", 1, text.repeat(12)),
        ("noise", 4, raw.clone()),
        ("zeros", 4, vec![0; 4000]),
        // A content's last segment, which ends within a weight.
        ("tail", 4, f32s[..1999].to_vec()),
        ("short", 2, f32s[..5].to_vec()),
        // The stride is cut to the length.
        ("narrow", 1000, raw[..7].to_vec()),
        ("empty", 4, Vec::new()),
    ]
}

#[test]
fn what_was_written_is_decoded_for_ever() {
    for layout in 1..=LAYOUT {
        let mut decoder = Decoder::default();
        let mut decoded = Vec::new();
        for (name, _, _) in samples() {
            let path = directory(layout).join(name);
            let read = |extension| {
                fs::read(path.with_extension(extension)).unwrap_or_else(|error| {
                    panic!("{}.{extension}: {error}", path.display());
                })
            };
            let encoded = read("segment");
            assert_eq!(encoded[0], layout, "{name}");
            decoder.decode(&encoded, &mut decoded).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(decoded == read("raw"), "{name} of layout {layout} decodes to other bytes");
        }
    }
}

#[test]
fn a_whole_segment_of_zeros_is_decoded_for_ever() {
    for layout in 1..=LAYOUT {
        let encoded = fs::read(directory(layout).join("whole.segment")).unwrap();
        let mut decoded = Vec::new();
        Decoder::default().decode(&encoded, &mut decoded).unwrap();
        assert!(decoded == vec![0; SEGMENT_BYTES]);
    }
}

#[test]
fn the_samples_show_every_way_to_encode_a_plane() {
    let planes = |name: &str| {
        let encoded = fs::read(directory(LAYOUT).join(name).with_extension("segment")).unwrap();
        let (mut rest, mut compressed) = (&encoded[7..], Vec::new());
        while let Some((head, body)) = rest.split_first_chunk() {
            let head = u32::from_le_bytes(*head);
            compressed.push(head >> 31 == 1);
            rest = &body[(head & 0x7fff_ffff) as usize..];
        }
        compressed
    };
    assert_eq!(planes("noise"), [false; 4]);
    assert_eq!(planes("zeros"), [true; 4]);
    let of_f32 = planes("f32");
    assert!(of_f32.contains(&true) && of_f32.contains(&false), "{of_f32:?}");
}

/// Writes the files of a new layout; those that are there are never touched.
#[test]
#[ignore = "writes files: run it once for each new layout"]
fn write_the_samples_of_this_layout() {
    let directory = directory(LAYOUT);
    fs::create_dir_all(&directory).unwrap();
    let mut encoder = Encoder::default();
    let write = |name: &str, extension: &str, bytes: &[u8]| {
        let path = directory.join(name).with_extension(extension);
        if !path.exists() {
            fs::write(path, bytes).unwrap();
        }
    };
    let mut encoded = Vec::new();
    for (name, stride, raw) in samples() {
        encoder.encode(&raw, stride, &mut encoded);
        write(name, "segment", &encoded);
        write(name, "raw", &raw);
    }
    encoder.encode(&vec![0; SEGMENT_BYTES], 4, &mut encoded);
    write("whole", "segment", &encoded);
}
