//! Diffusion models: their components, and the kinds of their layers. Names are those of Stability's
//! single files (`model.diffusion_model.…`), of ComfyUI's (`text_encoders.…`), and of diffusers'
//! folders, whose files have one component each and no word in front.

use super::layer_type::LayerType;
use crate::model::Tensor;
use std::collections::BTreeSet;

/// What the names of a component begin with, and the component.
const COMPONENTS: &[(&str, &str)] = &[
    ("model.diffusion_model.", BACKBONE),
    ("unet.", BACKBONE),
    ("transformer.", BACKBONE),
    ("lora_unet_", BACKBONE),
    ("lora_transformer_", BACKBONE),
    ("first_stage_model.", VAE),
    ("vae.", VAE),
    ("conditioner.embedders.0.", "text_encoder"),
    ("conditioner.embedders.1.", "text_encoder_2"),
    ("cond_stage_model.", "text_encoder"),
    ("text_encoders.clip_l.", "text_encoder"),
    ("text_encoders.clip_g.", "text_encoder_2"),
    ("text_encoders.t5xxl.", "text_encoder_3"),
    ("text_encoder.", "text_encoder"),
    ("text_encoder_2.", "text_encoder_2"),
    ("text_encoder_3.", "text_encoder_3"),
    ("lora_te_", "text_encoder"),
    ("lora_te1_", "text_encoder"),
    ("lora_te2_", "text_encoder_2"),
    ("lora_te3_", "text_encoder_3"),
    ("control_model.", "controlnet"),
];
const BACKBONE: &str = "unet";
const VAE: &str = "vae";

/// What names of a UNet's or a VAE's own file begin with.
const BARE: &[(&str, &str)] = &[
    ("down_blocks.", BACKBONE),
    ("mid_block.", BACKBONE),
    ("up_blocks.", BACKBONE),
    ("input_blocks.", BACKBONE),
    ("middle_block.", BACKBONE),
    ("output_blocks.", BACKBONE),
    ("double_blocks.", BACKBONE),
    ("joint_blocks.", BACKBONE),
    ("single_transformer_blocks.", BACKBONE),
    ("transformer_blocks.", BACKBONE),
    ("encoder.down_blocks.", VAE),
    ("encoder.mid_block.", VAE),
    ("encoder.down.", VAE),
    ("encoder.mid.", VAE),
    ("decoder.up_blocks.", VAE),
    ("decoder.mid_block.", VAE),
    ("decoder.up.", VAE),
    ("decoder.mid.", VAE),
    ("quant_conv.", VAE),
    ("post_quant_conv.", VAE),
];

/// The architectures that are made of components. The generator is a UNet in the older and a
/// transformer in the newer ones.
pub fn is_diffusion(architecture: &str) -> bool {
    ["stable-diffusion", "flux", "autoencoder-kl"].iter().any(|family| architecture.starts_with(family))
}

/// The components that a model of this architecture has tensors of.
pub fn components(architecture: &str, tensors: &[Tensor]) -> BTreeSet<&'static str> {
    if !is_diffusion(architecture) {
        return BTreeSet::new();
    }
    let has_transformer = architecture.starts_with("flux") || architecture.starts_with("stable-diffusion-3");
    let named = |component| if component == BACKBONE && has_transformer { "transformer" } else { component };
    tensors.iter().filter_map(|tensor| component(&tensor.name)).map(named).collect()
}

fn component(name: &str) -> Option<&'static str> {
    let begins = |(prefix, _): &&(&str, &'static str)| name.starts_with(*prefix);
    COMPONENTS.iter().chain(BARE).find(begins).map(|(_, component)| *component)
}

/// The kind of a layer that only diffusion models have. The name is in small letters.
pub fn kind(name: &str) -> Option<LayerType> {
    match component(name) {
        Some(VAE) => return Some(LayerType::VAE),
        Some(text) if text.starts_with("text_encoder") => return Some(LayerType::TextEncoder),
        _ => {}
    }
    name.split('.').find_map(|word| match word {
        "down_blocks" | "input_blocks" => Some(LayerType::UNetDown),
        "mid_block" | "middle_block" => Some(LayerType::UNetMid),
        "up_blocks" | "output_blocks" => Some(LayerType::UNetUp),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_layers() {
        for (name, expected) in [
            ("model.diffusion_model.input_blocks.1.1.norm.weight", Some(LayerType::UNetDown)),
            ("model.diffusion_model.middle_block.0.in_layers.0.bias", Some(LayerType::UNetMid)),
            ("up_blocks.2.resnets.0.conv1.weight", Some(LayerType::UNetUp)),
            ("down_blocks.0.resnets.0.conv1.weight", Some(LayerType::UNetDown)),
            ("encoder.down_blocks.0.resnets.0.conv1.weight", Some(LayerType::VAE)),
            ("decoder.up.0.block.0.conv1.weight", Some(LayerType::VAE)),
            ("first_stage_model.quant_conv.bias", Some(LayerType::VAE)),
            ("cond_stage_model.model.transformer.resblocks.0.ln_1.bias", Some(LayerType::TextEncoder)),
            ("conditioner.embedders.1.model.positional_embedding", Some(LayerType::TextEncoder)),
            ("text_encoders.t5xxl.transformer.shared.weight", Some(LayerType::TextEncoder)),
            ("model.diffusion_model.time_embed.0.weight", None),
            ("encoder.layer.0.output.dense.weight", None),
        ] {
            assert_eq!(kind(name), expected, "{name}");
        }
    }
}
