//! Configurations of Keras, which name classes and functions that loading imports and calls, and may hold the code of
//! a function (CVE-2024-3660, CVE-2025-1550, CVE-2025-8747, CVE-2025-9905, CVE-2025-9906). In `.h5` files that code
//! is run by Keras before 3.11.3 also where `safe_mode` is set.
//! Sources: Keras `saving/serialization_lib.py`, `legacy/saving/serialization.py`.

use super::json::looks_like_json;
use super::policy::classify;
use super::report::{Kind, Verdict};
use super::state::Walk;
use crate::byte_range::ByteRange;
use crate::formats::containers::hdf5::{self, Region};
use crate::metadata::{Detail, Value as Meta};
use crate::source::Source;
use memchr::memmem;
use serde_json::{Map, Value};
use std::sync::Arc;

/// Classes that Keras and the versions before it have themselves, from their modules of layers, losses, metrics,
/// optimizers and the like.
static CLASSES: &str = include_str!("keras_classes.txt");
/// Parts of Keras that load files, download, or switch the checks off.
const DANGEROUS_PARTS: &[&str] =
    &["utils", "saving", "config", "export", "trainers", "distillation", "wrappers", "datasets", "callbacks"];
/// Parts of a module's name that stand before what it is about.
const PACKAGES: &[&str] = &[
    "keras",
    "tf_keras",
    "tensorflow",
    "src",
    "python",
    "api",
    "_tf_keras",
    "_v1",
    "_v2",
    "compat",
    "v1",
    "v2",
    "legacy",
];
/// Modules of Keras whose functions compute, and no more.
const FUNCTIONS_OF: &[&str] = &[
    "activations",
    "constraints",
    "initializers",
    "losses",
    "metrics",
    "ops",
    "optimizers",
    "quantizers",
    "random",
    "regularizers",
];
/// Classes that load a program, or another model.
const LOADERS: &[(&str, &str)] = &[
    ("TFSMLayer", "it loads a SavedModel from a path (CVE-2026-1669)"),
    ("TorchModuleWrapper", "it loads a pickle (CVE-2025-49655)"),
    ("JaxLayer", "it holds a function of JAX"),
    ("FlaxLayer", "it holds a module of Flax"),
];
/// Largest file that is searched for words where its structure is not read.
const MAX_SEARCHED: u64 = 64 << 20;

impl Walk<'_> {
    /// Examines an object of a configuration that names a class.
    pub(super) fn keras(&mut self, object: &Map<String, Value>, place: &str) {
        let text = |key: &str| object.get(key).and_then(Value::as_str);
        let Some(class) = text("class_name") else { return };
        let mut add =
            |verdict, what: &str, why: &str| self.findings.add(verdict, Kind::Keras, place, what, why);
        let config = object.get("config");
        match class {
            "__lambda__" => {
                add(
                    Verdict::Dangerous,
                    "a function's code",
                    "Keras runs it when the model is used (CVE-2024-3660)",
                );
                return;
            }
            "Lambda" => {
                let function = config.and_then(|config| config.get("function"));
                let has_code = match function {
                    Some(Value::Array(_)) => true,
                    Some(Value::Object(function)) => {
                        function.get("class_name").and_then(Value::as_str) == Some("__lambda__")
                            || function.get("code").is_some()
                    }
                    // Version 1 wrote the code as one text.
                    Some(Value::String(text)) => text.len() > 100 || text.contains(char::is_control),
                    _ => false,
                };
                if has_code {
                    let why = "it holds a function's code, which loading the model runs (CVE-2024-3660, CVE-2025-9905)";
                    add(Verdict::Dangerous, "a Lambda layer", why);
                } else {
                    add(
                        Verdict::Suspicious,
                        "a Lambda layer",
                        "it calls a function by its name (CVE-2025-8747)",
                    );
                }
            }
            _ => {}
        }
        if let Some((_, why)) = LOADERS.iter().find(|(name, _)| *name == class) {
            add(Verdict::Dangerous, class, why);
        }
        if class == "TFOpLambda"
            && let Some(function) = config.and_then(|config| config.get("function")).and_then(Value::as_str)
        {
            let reaches_files =
                ["io.", "raw_ops.", "load_", "saved_model.", "data.", "py_function", "numpy_function"];
            if reaches_files.iter().any(|part| function.starts_with(part)) {
                add(
                    Verdict::Dangerous,
                    &format!("TFOpLambda {function}"),
                    "a function that reaches files or code",
                );
            }
        }
        if matches!(class, "StringLookup" | "IntegerLookup" | "TextVectorization")
            && config.and_then(|config| config.get("vocabulary")).is_some_and(Value::is_string)
        {
            add(Verdict::Suspicious, class, "its vocabulary is a path or an address (CVE-2025-12058)");
        }
        let registered = text("registered_name").filter(|name| name.contains('>'));
        if let Some(name) = registered.or(Some(class).filter(|class| class.contains('>'))) {
            add(Verdict::Suspicious, &format!("the class {name}"), "registered by a program, not of Keras");
        }
        match text("module") {
            Some(module) => {
                if let Some((verdict, why)) = module_verdict(module, class, text("registered_name")) {
                    add(verdict, &format!("{module}.{class}"), why);
                }
            }
            // Before Keras 3 a class stands alone.
            None if object.get("config").is_some() && !class.contains('>') && !is_class(class) => {
                add(
                    Verdict::Suspicious,
                    &format!("the class {class}"),
                    "not of Keras: loading needs its code",
                );
            }
            None => {}
        }
    }

    /// Examines an HDF5 file: its attributes, which hold the configuration.
    pub(super) fn hdf5(&mut self, source: &dyn Source, place: &str) {
        let whole = ByteRange::new(0, source.len());
        let region = Region { of: Arc::new(whole), in_file: true, range: whole };
        match hdf5::read(source, region, Detail::Full) {
            Ok(contents) => {
                for (key, value) in contents.attributes {
                    let Meta::Text(text) = value else { continue };
                    if looks_like_json(text.as_bytes()) {
                        self.json_bytes(text.as_bytes(), &format!("{place}: {key}"));
                    } else if matches!(key.as_str(), "model_config" | "training_config") {
                        self.unreadable(&format!("{place}: {key}"), &"the configuration is no JSON");
                    }
                }
                if let Some(skipped) = contents.skipped {
                    let elsewhere =
                        |value: &&Meta| matches!(value, Meta::Text(text) if text.contains("another file"));
                    for value in skipped.head.iter().filter(elsewhere) {
                        let Meta::Text(text) = value else { continue };
                        let why = "whoever follows it reads another file of the machine (CVE-2026-1669)";
                        self.findings.add(Verdict::Suspicious, Kind::Keras, place, text, why);
                    }
                }
            }
            Err(error) => {
                self.unreadable(place, &error);
                self.search_words(source, place);
            }
        }
    }

    /// A file whose structure is not read may hold a configuration all the same.
    fn search_words(&mut self, source: &dyn Source, place: &str) {
        if source.len() > MAX_SEARCHED {
            return;
        }
        let mut bytes = vec![0; source.len() as usize];
        if source.read_at(0, &mut bytes).is_err() {
            return;
        }
        for word in ["\"Lambda\"", "__lambda__", "TFSMLayer", "TorchModuleWrapper"] {
            if memmem::find(&bytes, word.as_bytes()).is_some() {
                let why = "it may be a layer that holds code, in a file that is not read";
                self.findings.add(Verdict::Suspicious, Kind::Keras, place, word, why);
            }
        }
    }
}

fn is_class(name: &str) -> bool {
    CLASSES.lines().any(|class| class == name)
}

/// What it means that Keras imports `class` of `module`; none where it is one of its own.
fn module_verdict(module: &str, class: &str, registered: Option<&str>) -> Option<(Verdict, &'static str)> {
    const TOPS: &[&str] = &["keras", "tf_keras", "tensorflow"];
    let parts: Vec<&str> = module.split('.').collect();
    if module == "builtins" {
        return match class {
            "function" | "type" if registered.is_none_or(|name| matches!(name, "function" | "type")) => {
                Some((Verdict::Suspicious, "a function of a program, by its name"))
            }
            // Values of Python that stand for themselves.
            "tuple" | "dict" | "list" | "set" | "slice" | "Ellipsis" | "float" | "int" | "str" | "bool"
            | "bytes" => None,
            "function" => Some((Verdict::Suspicious, "a function of a program, by its name")),
            _ => Some((
                classify(module, class).0.max(Verdict::Suspicious),
                "loading imports and calls it (CVE-2025-1550)",
            )),
        };
    }
    if !TOPS.contains(&parts[0]) {
        let verdict = classify(module, class).0.max(Verdict::Suspicious);
        return Some((verdict, "not of Keras: loading imports it, and may call it (CVE-2025-1550)"));
    }
    if parts[1..].iter().any(|part| DANGEROUS_PARTS.contains(part)) && !is_class(class) {
        return Some((
            Verdict::Dangerous,
            "a part of Keras that loads files or code (CVE-2025-8747, CVE-2025-9906)",
        ));
    }
    let (verdict, _) = classify(module, class);
    if verdict == Verdict::Dangerous && !is_class(class) {
        return Some((verdict, "it loads files or code (CVE-2025-8747)"));
    }
    // Functions of Keras, from the modules whose functions compute and no more.
    let of_values = parts.iter().find(|part| !PACKAGES.contains(part));
    let is_function =
        class.starts_with(char::is_lowercase) && of_values.is_some_and(|part| FUNCTIONS_OF.contains(part));
    if is_class(class) || is_function {
        return None;
    }
    Some((Verdict::Suspicious, "no class that Keras is known to have"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_imported_is_told_by_its_module() {
        let verdict = |module, class| module_verdict(module, class, None).map(|found| found.0);
        assert_eq!(verdict("keras.layers", "Dense"), None);
        assert_eq!(verdict("keras.src.models.functional", "Functional"), None);
        assert_eq!(verdict("keras.activations", "relu"), None);
        assert_eq!(verdict("os", "system"), Some(Verdict::Dangerous));
        assert_eq!(verdict("builtins", "eval"), Some(Verdict::Dangerous));
        assert_eq!(verdict("my_layers", "Mine"), Some(Verdict::Suspicious));
        assert_eq!(verdict("keras.utils", "get_file"), Some(Verdict::Dangerous));
        assert_eq!(verdict("keras.config", "enable_unsafe_deserialization"), Some(Verdict::Dangerous));
        assert_eq!(verdict("builtins", "function"), Some(Verdict::Suspicious));
        assert_eq!(verdict("keras.models", "load_model"), Some(Verdict::Dangerous));
    }
}
