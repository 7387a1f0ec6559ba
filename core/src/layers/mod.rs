//! What a tensor's name tells: the kind of its layer, the layer's number, the model's architecture.

mod architecture;
mod diffusion;
mod layer_type;
mod lora;

use crate::metadata::{Array, Value};
use crate::model::{Model, UNKNOWN_ARCHITECTURE};

pub use diffusion::is_diffusion;
pub use layer_type::LayerType;

/// The key of the components of a diffusion model.
const COMPONENTS_KEY: &str = "atomizer.components";
/// The key of the rank of a LoRA, the largest where they differ.
const LORA_RANK_KEY: &str = "atomizer.lora_rank";

/// Adds what the tensors tell: the architecture where the metadata do not, the components of a
/// diffusion model, the rank of a LoRA.
pub fn describe(model: &mut Model) {
    if model.architecture == UNKNOWN_ARCHITECTURE {
        model.architecture = architecture::from_tensors(&model.tensors);
    }
    let mut found = Vec::new();
    let components = diffusion::components(&model.architecture, &model.tensors);
    if !components.is_empty() {
        let head: Vec<_> = components.into_iter().map(|name| Value::Text(name.into())).collect();
        let array = Array { element: "string", count: head.len() as u64, head };
        found.push((COMPONENTS_KEY, Value::Array(array)));
    }
    if let Some(rank) = lora::rank(&model.tensors) {
        found.push((LORA_RANK_KEY, Value::Uint(rank)));
    }
    // What the file itself says under these keys is not ours.
    model.metadata.retain(|(key, _)| key != COMPONENTS_KEY && key != LORA_RANK_KEY);
    model.metadata.extend(found.into_iter().map(|(key, value)| (key.to_owned(), value)));
}

/// Names of layers, by the words they are made of. The first rule of which a word fits decides,
/// so the special stand before the general ones.
const RULES: &[(LayerType, &[&str])] = &[
    (LayerType::TextEncoder, &["text_model"]),
    (LayerType::Adapter, &["adapter"]),
    (LayerType::TimeEmbedding, &["time_embed", "time_embedding", "time_emb"]),
    (LayerType::RotaryEmbedding, &["rotary_emb", "rope_freqs", "rope_factors_long", "rope_factors_short"]),
    (
        LayerType::PositionEmbedding,
        &["position_embeddings", "position_embd", "wpe", "position_ids", "pos_embed", "position_embedding"],
    ),
    (
        LayerType::BatchNorm,
        &[
            "running_mean",
            "running_var",
            "num_batches_tracked",
            "moving_mean",
            "moving_variance",
            "batch_norm",
            "batchnorm",
        ],
    ),
    (
        LayerType::Normalization,
        &[
            "norm",
            "layernorm",
            "ln_1",
            "ln_2",
            "ln_f",
            "attn_norm",
            "ffn_norm",
            "output_norm",
            "token_embd_norm",
            "attn_output_norm",
            "layer_output_norm",
            "input_layernorm",
            "post_attention_layernorm",
            "attn_q_norm",
            "attn_k_norm",
            "q_norm",
            "k_norm",
            "norm1",
            "norm2",
            "norm3",
            "final_layer_norm",
            "group_norm",
            "post_attention_norm",
            "post_ffw_norm",
            "gamma",
            "beta",
        ],
    ),
    (LayerType::Router, &["ffn_gate_inp", "router", "block_sparse_moe.gate"]),
    (
        LayerType::Expert,
        &[
            "experts",
            "ffn_gate_exps",
            "ffn_up_exps",
            "ffn_down_exps",
            "ffn_gate_shexp",
            "ffn_up_shexp",
            "ffn_down_shexp",
            "shared_expert",
        ],
    ),
    (
        LayerType::StateSpace,
        &["ssm_in", "ssm_out", "ssm_a", "ssm_d", "ssm_dt", "ssm_x", "ssm_conv1d", "mixer", "a_log"],
    ),
    (
        LayerType::Recurrent,
        &[
            "lstm",
            "gru",
            "rnn",
            "weight_ih",
            "weight_hh",
            "bias_ih",
            "bias_hh",
            "weight_ih_l0",
            "weight_hh_l0",
            "bias_ih_l0",
            "bias_hh_l0",
        ],
    ),
    (
        LayerType::CrossAttention,
        &["crossattention", "cross_attn", "encoder_attn", "cross_attention", "attn2", "encdecattention"],
    ),
    (
        LayerType::Attention,
        &[
            "attention",
            "attn",
            "self_attn",
            "self_attention",
            "attn_q",
            "attn_k",
            "attn_v",
            "attn_qkv",
            "attn_output",
            "attn1",
            "q_proj",
            "k_proj",
            "v_proj",
            "o_proj",
            "c_attn",
            "query",
            "key",
            "value",
            "selfattention",
        ],
    ),
    (
        LayerType::FeedForward,
        &[
            "mlp",
            "ffn",
            "ffn_gate",
            "ffn_up",
            "ffn_down",
            "feed_forward",
            "intermediate",
            "gate_proj",
            "up_proj",
            "down_proj",
            "ff",
            "fc1",
            "fc2",
            "densereludense",
            "c_fc",
        ],
    ),
    (LayerType::Output, &["lm_head", "output", "classifier", "cls", "score", "logits"]),
    (LayerType::Pooling, &["pooler", "pool", "pooling"]),
    (
        LayerType::Embedding,
        &[
            "embed_tokens",
            "token_embd",
            "wte",
            "embedding",
            "embeddings",
            "word_embeddings",
            "embed",
            "shared",
            "token_types",
            "embedding_weights",
        ],
    ),
    (
        LayerType::Convolution,
        &["conv", "conv1", "conv2", "conv3", "convs", "conv1d", "conv2d", "conv_in", "conv_out"],
    ),
    (LayerType::Dense, &["dense", "linear", "fc", "proj", "projection", "head", "to_out"]),
];

/// The kind of layer a tensor's name tells. Words are the parts between dots, slashes and colons;
/// a rule's entry with a dot in it must stand in the name as it is.
pub fn classify(name: &str) -> LayerType {
    let name = name.to_ascii_lowercase();
    if lora::is_part(&name) {
        return LayerType::Adapter;
    }
    if let Some(kind) = diffusion::kind(&name) {
        return kind;
    }
    // "output" and "dense" are also parts of attention and feed-forward layers: RULES has those first.
    let words: Vec<&str> = name.split(['.', '/', ':']).collect();
    let fits = |entry: &&str| {
        if entry.contains('.') { name.contains(*entry) } else { words.contains(entry) }
    };
    let rule = RULES.iter().find(|(_, entries)| entries.iter().any(fits));
    match rule {
        // An output within a numbered layer is the second half of its feed-forward network.
        Some((LayerType::Output, _)) if index(&name).is_some() => LayerType::FeedForward,
        Some((kind, _)) => *kind,
        None => classify_loosely(&words),
    }
}

/// Names with a number or a suffix glued to the word: `conv12`, `layer_norm2`, `dense_3`.
fn classify_loosely(words: &[&str]) -> LayerType {
    let prefixes = [
        ("conv", LayerType::Convolution),
        ("batch_norm", LayerType::BatchNorm),
        ("bn", LayerType::BatchNorm),
        ("layer_norm", LayerType::Normalization),
        ("layernorm", LayerType::Normalization),
        ("norm", LayerType::Normalization),
        ("lstm", LayerType::Recurrent),
        ("gru", LayerType::Recurrent),
        ("attn", LayerType::Attention),
        ("embed", LayerType::Embedding),
        ("dense", LayerType::Dense),
        ("linear", LayerType::Dense),
        ("fc", LayerType::Dense),
        ("hiddenlayer", LayerType::Dense),
        ("logits", LayerType::Output),
    ];
    words
        .iter()
        .find_map(|word| prefixes.iter().find(|(prefix, _)| word.starts_with(prefix)).map(|(_, kind)| *kind))
        .unwrap_or(LayerType::Unknown)
}

/// The number of a layer: the first part of the name that is a number (`blk.3.attn_q` is layer 3), or
/// a number behind the word itself (`layer_3`, `layer_with_weights-3`).
pub fn index(name: &str) -> Option<i32> {
    let behind_word = |word: &str| {
        let (word, number) = word.rsplit_once(['_', '-'])?;
        let is_layer = ["layer", "block", "layer_with_weights"].iter().any(|kind| word.ends_with(kind));
        is_layer.then(|| number.parse::<u16>().ok())?
    };
    name.split(['.', '/', ':'])
        .find_map(|word| word.parse::<u16>().ok().or_else(|| behind_word(word)))
        .map(i32::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_24_kinds() {
        assert_eq!(LayerType::ALL.len(), 24);
    }

    #[test]
    fn real_names() {
        let cases = [
            ("token_embd.weight", LayerType::Embedding, None),
            ("blk.3.attn_q.weight", LayerType::Attention, Some(3)),
            ("blk.29.ffn_down.weight", LayerType::FeedForward, Some(29)),
            ("blk.0.attn_norm.weight", LayerType::Normalization, Some(0)),
            ("output_norm.weight", LayerType::Normalization, None),
            ("output.weight", LayerType::Output, None),
            ("model.embed_tokens.weight", LayerType::Embedding, None),
            ("model.layers.11.self_attn.q_proj.weight", LayerType::Attention, Some(11)),
            ("model.layers.11.mlp.gate_proj.weight", LayerType::FeedForward, Some(11)),
            ("lm_head.weight", LayerType::Output, None),
            ("encoder.layer.5.attention.output.dense.weight", LayerType::Attention, Some(5)),
            ("encoder.layer.5.output.dense.weight", LayerType::FeedForward, Some(5)),
            ("encoder.layer.5.intermediate.dense.bias", LayerType::FeedForward, Some(5)),
            ("encoder.layer.5.attention.output.LayerNorm.weight", LayerType::Normalization, Some(5)),
            ("embeddings.position_embeddings.weight", LayerType::PositionEmbedding, None),
            ("pooler.dense.weight", LayerType::Pooling, None),
            ("blk.2.ffn_gate_exps.weight", LayerType::Expert, Some(2)),
            ("model.diffusion_model.input_blocks.1.0.in_layers.0.weight", LayerType::UNetDown, Some(1)),
            ("first_stage_model.decoder.conv_in.bias", LayerType::VAE, None),
            ("features.conv12.weight", LayerType::Convolution, None),
            ("something.else", LayerType::Unknown, None),
            ("dnn/hiddenlayer_1/kernel", LayerType::Dense, Some(1)),
            ("bert/encoder/layer_7/attention/self/query/kernel", LayerType::Attention, Some(7)),
            ("layer_with_weights-2/gamma/.ATTRIBUTES/VARIABLE_VALUE", LayerType::Normalization, Some(2)),
            ("bn1/moving_mean", LayerType::BatchNorm, None),
            ("unet.up_blocks.1.attentions.0.to_k.lora_A.weight", LayerType::Adapter, Some(1)),
            ("lora_unet_mid_block_attentions_0_proj_in.alpha", LayerType::Adapter, None),
        ];
        for (name, kind, layer) in cases {
            assert_eq!((classify(name), index(name)), (kind, layer), "{name}");
        }
    }
}
