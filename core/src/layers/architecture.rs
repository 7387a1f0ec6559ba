//! A model's architecture, from the names and shapes of its tensors. Where two architectures have
//! the same names and shapes, such as Stable Diffusion 1.4 and 1.5, or Llama and Mistral, the id is
//! that of the better known one.

use crate::model::{Tensor, UNKNOWN_ARCHITECTURE};

/// Tensors that are looked at: all of any real model, and a bound on what a hostile one costs.
const MAX_LOOKED_AT: usize = 1 << 16;
/// Longest part of a name that is looked at.
const MAX_NAME_BYTES: usize = 512;

/// Architectures and their signs: parts of names in small letters with dots between the words. All
/// signs of a row must be there, and the first such row decides, so the special stand first.
const SIGNS: &[(&str, &[&str])] = &[
    ("whisper", &["encoder.conv1.", "decoder.layers.0.encoder_attn."]),
    ("bart", &["decoder.layers.0.encoder_attn."]),
    ("clip", &["text_model.encoder.layers.0.", "vision_model."]),
    ("clip", &["visual.transformer.resblocks.0."]),
    ("clip", &["text_model.encoder.layers.0."]),
    ("siglip", &["vision_model.head.attention."]),
    ("wav2vec2", &["wav2vec2."]),
    ("wav2vec2", &["feature_extractor.conv_layers.0.", "encoder.layers.0.attention."]),
    ("deepseek2", &[".self_attn.kv_a_proj_with_mqa."]),
    ("mixtral", &[".block_sparse_moe."]),
    ("phi3", &[".self_attn.qkv_proj.", ".mlp.gate_up_proj."]),
    ("phi", &[".self_attn.dense.", ".mlp.fc1."]),
    ("gemma3", &[".pre_feedforward_layernorm.", ".self_attn.q_norm."]),
    ("gemma2", &[".pre_feedforward_layernorm."]),
    ("qwen3", &[".self_attn.q_norm.", ".mlp.gate_proj."]),
    ("qwen2", &[".self_attn.q_proj.bias", ".mlp.gate_proj."]),
    ("opt", &["decoder.layers.0.self_attn.q_proj.", "decoder.layers.0.fc1."]),
    ("llama", &[".self_attn.q_proj."]),
    ("llama", &["layers.0.attention.wq.", "layers.0.feed_forward.w1."]),
    ("gpt-neox", &["gpt_neox."]),
    ("gpt-neox", &["layers.0.attention.query_key_value.", "layers.0.mlp.dense_h_to_4h."]),
    ("bloom", &["word_embeddings_layernorm."]),
    ("falcon", &[".self_attention.query_key_value."]),
    ("gpt-neo", &[".attn.attention.q_proj."]),
    ("gptj", &["h.0.attn.q_proj."]),
    ("gpt2", &[".attn.c_attn."]),
    ("mamba", &[".mixer.a_log"]),
    ("rwkv", &[".att.time_decay"]),
    ("t5", &[".selfattention.q."]),
    ("roberta", &["roberta."]),
    ("distilbert", &["layer.0.attention.q_lin."]),
    ("albert", &["albert_layer_groups."]),
    ("deberta", &["deberta."]),
    ("electra", &["electra."]),
    ("vit", &["vit.embeddings."]),
    ("vit", &["patch_embed.proj.", "blocks.0.attn.qkv."]),
    ("vit", &["patch_embeddings.projection.", "layer.0.attention.attention.query."]),
    ("bert", &["layer.0.attention.self.query."]),
    ("bert", &["layer_0.attention.self.query."]),
    ("resnet", &["layer1.0.conv1.", "layer1.0.bn1."]),
    ("resnet", &["resnet.embedder."]),
    ("resnet", &["conv2_block1_1_conv"]),
    ("densenet", &["denseblock1.denselayer1."]),
    ("efficientnet", &["block1a_dwconv"]),
    ("mobilenet", &["conv_dw_1."]),
    ("vgg", &["block1_conv1", "block5_conv3"]),
];

/// A model's tensors with their names as signs are written.
struct Named<'a> {
    /// All names, each with a line of its own: they are searched once for each sign.
    names: String,
    tensors: &'a [Tensor],
}

impl Named<'_> {
    fn any(&self, sign: &str) -> bool {
        memchr::memmem::find(self.names.as_bytes(), sign.as_bytes()).is_some()
    }

    /// The extent of an axis of the first tensor of which the name ends so.
    fn extent(&self, ending: &str, axis: usize) -> Option<u64> {
        let index = self.names.split('\n').position(|name| name.ends_with(ending))?;
        self.tensors[index].shape.get(axis).copied()
    }
}

/// The architecture of a model with these tensors.
pub fn from_tensors(tensors: &[Tensor]) -> String {
    let plain = |tensor: &Tensor| {
        let end = tensor.name.floor_char_boundary(MAX_NAME_BYTES.min(tensor.name.len()));
        // `layer_._0` is how Hugging Face's TensorFlow models write `layer.0`.
        tensor.name[..end].to_ascii_lowercase().replace(['/', '\n'], ".").replace("_._", ".") + "\n"
    };
    let model = Named { names: tensors.iter().take(MAX_LOOKED_AT).map(plain).collect(), tensors };
    if let Some(architecture) = diffusion(&model) {
        return architecture;
    }
    let row = SIGNS.iter().find(|(_, signs)| signs.iter().all(|sign| model.any(sign)));
    row.map_or(UNKNOWN_ARCHITECTURE, |(architecture, _)| architecture).to_owned()
}

/// The architecture of a diffusion model, of one of its components, or of a LoRA for one.
fn diffusion(model: &Named) -> Option<String> {
    let any = |sign| model.any(sign);
    let any_of = |signs: &[&str]| signs.iter().any(|sign| model.any(sign));
    if any_of(&["double_blocks.0.img_attn.", "lora_unet_double_blocks_0_", "single_transformer_blocks.0."]) {
        return Some("flux".into());
    }
    if any_of(&["joint_blocks.0.", "lora_unet_joint_blocks_0_", "transformer_blocks.0.attn.add_q_proj."]) {
        return Some("stable-diffusion-3".into());
    }
    let has_unet = any_of(&["input_blocks.0.0.", "down_blocks.0.resnets.0.", "lora_unet_"])
        || (any("down_blocks.") && any("lora"));
    if has_unet && !any("encoder.down_blocks.0.resnets.0.") {
        let version = unet_version(model)?;
        // Inpainting adds a masked image and its mask to the four channels of a latent image.
        let channels =
            model.extent("input_blocks.0.0.weight", 1).or_else(|| model.extent("conv_in.weight", 1));
        let variant = if channels == Some(9) { "-inpainting" } else { "" };
        return Some(format!("stable-diffusion-{version}{variant}"));
    }
    let has_vae =
        any("decoder.conv_in.") && any_of(&["decoder.up.0.block.0.", "decoder.up_blocks.0.resnets.0."]);
    has_vae.then(|| "autoencoder-kl".into())
}

/// The version of Stable Diffusion with a UNet: by its text encoder where that is in the file, else
/// by the width of the text's embeddings.
fn unet_version(model: &Named) -> Option<&'static str> {
    let any = |sign| model.any(sign);
    if any("conditioner.embedders.1.") || any("lora_te2_") || any("add_embedding.linear_1.") {
        return Some("xl");
    }
    if any("cond_stage_model.model.") {
        return Some("v2");
    }
    if any("cond_stage_model.transformer.") {
        return Some("v1-5");
    }
    if any("conditioner.embedders.0.model.") {
        return Some("xl-refiner");
    }
    let width = ["attn2.to_k.weight", "attn2_to_k.lora_down.weight", "attn2.to_k.lora_a.weight"]
        .iter()
        .chain(&["attn2.processor.to_k_lora.down.weight", "attn2.to_k.lora.down.weight"])
        .find_map(|ending| model.extent(ending, 1));
    match width {
        Some(768) => Some("v1-5"),
        Some(1024) => Some("v2"),
        Some(1280) => Some("xl-refiner"),
        Some(2048) => Some("xl"),
        // A UNet for something else than these, or of a size of its own.
        _ => Some("unet"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::Dtype;

    fn tensor(name: &str, shape: &[u64]) -> Tensor {
        Tensor {
            name: name.into(),
            shape: shape.to_vec(),
            dtype: Dtype::F16,
            file_no: 0,
            offset: 0,
            byte_length: 0,
            weight_count: 0,
            lazy: None,
            affine: None,
        }
    }

    #[track_caller]
    fn check(expected: &str, names: &[(&str, &[u64])]) {
        let tensors: Vec<_> = names.iter().map(|(name, shape)| tensor(name, shape)).collect();
        assert_eq!(from_tensors(&tensors), expected);
    }

    #[test]
    fn diffusion_models() {
        let unet: (&str, &[u64]) = ("model.diffusion_model.input_blocks.0.0.weight", &[320, 4, 3, 3]);
        let clip: (&str, &[u64]) = ("cond_stage_model.transformer.text_model.embeddings.x.weight", &[]);
        check("stable-diffusion-v1-5", &[unet, clip]);
        let painter: (&str, &[u64]) = ("model.diffusion_model.input_blocks.0.0.weight", &[320, 9, 3, 3]);
        check("stable-diffusion-v1-5-inpainting", &[painter, clip]);
        check("stable-diffusion-v2", &[unet, ("cond_stage_model.model.ln_final.bias", &[])]);
        let big_clip: (&str, &[u64]) = ("conditioner.embedders.1.model.ln_final.bias", &[]);
        check("stable-diffusion-xl", &[unet, big_clip]);
        check("stable-diffusion-xl-refiner", &[unet, ("conditioner.embedders.0.model.ln_final.bias", &[])]);
        let diffusers: (&str, &[u64]) = ("down_blocks.0.resnets.0.conv1.weight", &[]);
        for (width, version) in
            [(768, "v1-5"), (1024, "v2"), (2048, "xl"), (1280, "xl-refiner"), (32, "unet")]
        {
            let key = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight";
            check(&format!("stable-diffusion-{version}"), &[diffusers, (key, &[320, width])]);
        }
        check("stable-diffusion-3", &[("model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight", &[])]);
        check("flux", &[("double_blocks.0.img_attn.qkv.weight", &[])]);
        check("flux", &[("single_transformer_blocks.0.attn.to_q.weight", &[])]);
        let vae = [("decoder.conv_in.weight", &[][..]), ("decoder.up_blocks.0.resnets.0.conv1.weight", &[])];
        check("autoencoder-kl", &vae);
        let encoder = ("encoder.down_blocks.0.resnets.0.conv1.weight", &[][..]);
        check("autoencoder-kl", &[vae[0], vae[1], encoder]);
    }

    #[test]
    fn adapters_for_diffusion_models() {
        let down = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight";
        check("stable-diffusion-v1-5", &[(down, &[8, 768])]);
        check("stable-diffusion-v2", &[(down, &[8, 1024])]);
        let peft = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight";
        check("stable-diffusion-xl", &[(peft, &[4, 2048])]);
        let kohya = [(down, &[8, 768][..]), ("lora_te2_text_model_encoder_layers_0_mlp_fc1.alpha", &[])];
        check("stable-diffusion-xl", &kohya);
        check("flux", &[("lora_unet_double_blocks_0_img_attn_proj.lora_down.weight", &[16, 3072])]);
    }

    #[test]
    fn other_models() {
        for (expected, names) in [
            ("llama", &["model.layers.0.self_attn.q_proj.weight"][..]),
            ("llama", &["base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"]),
            ("qwen2", &["model.layers.0.self_attn.q_proj.bias", "model.layers.0.mlp.gate_proj.weight"]),
            ("gpt-neox", &["gpt_neox.layers.0.attention.dense.weight"]),
            ("gpt2", &["h.0.attn.c_attn.weight"]),
            ("t5", &["encoder.block.0.layer.0.SelfAttention.q.weight"]),
            ("bert", &["bert.encoder.layer.0.attention.self.query.weight"]),
            ("bert", &["bert/encoder/layer_0/attention/self/query/kernel"]),
            ("bert", &["tf_bert_model/bert/encoder/layer_._0/attention/self/query/kernel:0"]),
            ("roberta", &["roberta.encoder.layer.0.attention.self.query.weight"]),
            ("clip", &["text_model.encoder.layers.0.mlp.fc1.weight", "vision_model.post_layernorm.bias"]),
            ("whisper", &["model.encoder.conv1.weight", "model.decoder.layers.0.encoder_attn.q_proj.weight"]),
            ("vit", &["vit.embeddings.cls_token"]),
            ("resnet", &["layer1.0.conv1.weight", "layer1.0.bn1.weight"]),
            ("resnet", &["conv2_block1_1_conv/kernel"]),
            ("unknown", &["a", "b"]),
        ] {
            let tensors: Vec<_> = names.iter().map(|name| tensor(name, &[])).collect();
            assert_eq!(from_tensors(&tensors), expected, "{names:?}");
        }
    }
}
