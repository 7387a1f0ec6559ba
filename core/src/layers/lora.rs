//! Low-rank adapters: for each layer they change, a matrix down to a few numbers and one up again.
//! Names by kohya's scripts (`lora_unet_….lora_down.weight`), by PEFT (`….lora_A.weight`, with the
//! adapter's name between in a running model), and by diffusers before PEFT (`…to_q_lora.down.weight`,
//! `….lora_linear_layer.down.weight`).

use crate::model::Tensor;

/// Words of the matrix down, whose first axis is the rank, in small letters.
const DOWN: &[&str] = &[
    "lora_down",
    "lora_a",
    "to_q_lora.down",
    "to_k_lora.down",
    "to_v_lora.down",
    "to_out_lora.down",
    "lora_linear_layer.down",
];
/// Words of the matrix up.
const UP: &[&str] = &[
    "lora_up",
    "lora_b",
    "to_q_lora.up",
    "to_k_lora.up",
    "to_v_lora.up",
    "to_out_lora.up",
    "lora_linear_layer.up",
];
/// What the names of kohya's files begin with.
const PREFIXES: &[&str] = &["lora_unet_", "lora_te_", "lora_te1_", "lora_te2_", "lora_te3_"];

fn has_word(name: &str, words: &[&str]) -> bool {
    words.iter().any(|word| {
        name.match_indices(word).any(|(start, _)| {
            let before = name[..start].ends_with('.') || start == 0;
            let after = name[start + word.len()..].starts_with('.') || name.len() == start + word.len();
            before && after
        })
    })
}

/// True for a tensor of an adapter. The name is in small letters.
pub fn is_part(name: &str) -> bool {
    PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || has_word(name, DOWN) || has_word(name, UP)
}

/// The rank of an adapter, the largest of its layers'; none for any other model.
pub fn rank(tensors: &[Tensor]) -> Option<u64> {
    let is_down =
        |tensor: &&Tensor| tensor.shape.len() >= 2 && has_word(&tensor.name.to_ascii_lowercase(), DOWN);
    tensors.iter().filter(is_down).map(|tensor| tensor.shape[0]).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_adapters() {
        for name in [
            "lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight",
            "lora_te1_text_model_encoder_layers_0_mlp_fc1.alpha",
            "base_model.model.model.layers.0.self_attn.q_proj.lora_a.weight",
            "base_model.model.model.layers.0.self_attn.q_proj.lora_b.default.weight",
            "unet.down_blocks.0.attentions.0.processor.to_q_lora.up.weight",
            "text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_linear_layer.down.weight",
        ] {
            assert!(is_part(name), "{name}");
        }
        for name in ["flora.weight", "model.lora_ab.weight", "explora_a.b", "down.weight", "lora_"] {
            assert!(!is_part(name), "{name}");
        }
    }
}
