//! What importing a global means. Safe is what `torch.load(weights_only=True)` allows
//! (`torch/_weights_only_unpickler.py`), and what builds plain values of NumPy, of `collections` and of TorchScript.
//! Everything else is at least suspicious, and dangerous what is of a family that runs code, starts programs, or
//! reaches files or networks, or leads to one.

mod modules;
mod names;

pub use super::report::Verdict;
use crate::formats::containers::pickle::EXTENSION;
use crate::formats::torch::names::{is_dtype_name, is_storage_kind};
use modules::{DANGEROUS_MODULES, STANDARD_MODULES};
use names::{DANGEROUS, DANGEROUS_PREFIXES, RUNS_CODE, SAFE, SAFE_NUMPY, SAFE_REBUILDS, SAFE_TORCH};

/// What importing a global means, and why.
pub fn classify(module: &str, name: &str) -> (Verdict, &'static str) {
    if module.is_empty() {
        return (Verdict::Dangerous, "its name is computed while the pickle is loaded");
    }
    if is_allowed_by_torch(module, name) {
        return (Verdict::Safe, "torch loads it with weights_only");
    }
    if is_plain(module, name) {
        return (Verdict::Safe, "it builds a plain value");
    }
    if module == EXTENSION {
        return (Verdict::Suspicious, "a number in a registry of the program that loads it");
    }
    // A qualified name leads through attributes: torch.serialization.os.system is os.system.
    let parts: Vec<&str> = module.split('.').chain(name.split('.')).collect();
    let is_own = parts[0] == "__main__";
    let is_internal = |part: &&str| part.starts_with("__") && part.ends_with("__") && part.len() > 4;
    if parts[usize::from(is_own)..].iter().any(is_internal) && !BUILTINS.contains(&module) {
        return (Verdict::Dangerous, "it reaches Python's internals");
    }
    if parts.iter().any(|part| RUNS_CODE.contains(part)) {
        return (Verdict::Dangerous, "it runs code or reaches what does");
    }
    if BUILTINS.contains(&module) && is_plain_builtin(name) {
        return (Verdict::Suspicious, "a plain type of Python that torch does not load with weights_only");
    }
    if module == "types" && matches!(name, "SimpleNamespace" | "NoneType" | "MappingProxyType") {
        return (Verdict::Suspicious, "of Python's library, and on no list of what is harmless");
    }
    if module == "uuid" && name == "UUID" {
        return (Verdict::Suspicious, "its module starts programs, and it does not");
    }
    if DANGEROUS_MODULES.contains(&parts[0]) {
        return (
            Verdict::Dangerous,
            "its module runs code, starts programs, or reaches files or the network",
        );
    }
    // The module's own parts may have any name; what is reached through attributes is what it is called.
    let through = &parts[module.split('.').count()..];
    if through.len() > 1 && through.iter().any(|part| DANGEROUS_MODULES.contains(part)) {
        return (Verdict::Dangerous, "it reaches a module that runs code");
    }
    // A module imports others under their names: numpy.os, glom.core.sys.
    if through.len() == 1 && DANGEROUS_MODULES.contains(&name) && STANDARD_MODULES.contains(&name) {
        return (Verdict::Dangerous, "it is a module that runs code");
    }
    let is_beneath = |prefix: &&str| {
        module.strip_prefix(*prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let is_listed = DANGEROUS.contains(&(module, name)) || DANGEROUS.contains(&(module, through[0]));
    if is_listed || DANGEROUS_PREFIXES.iter().any(is_beneath) {
        return (Verdict::Dangerous, "it loads or runs code, or reaches files or the network");
    }
    if module.split('.').count() < parts.len() - 1 && STANDARD_MODULES.contains(&parts[0]) {
        return (Verdict::Dangerous, "it reaches into a class or a module of Python's library");
    }
    let why = match parts[0] {
        "__main__" => "of the program that loads it",
        "torch" | "torchvision" | "torchaudio" => "of torch, and not loaded with weights_only",
        "numpy" => "of NumPy, and on no list of what is harmless",
        top if STANDARD_MODULES.contains(&top) => "of Python's library, and on no list of what is harmless",
        _ => "what calling it does depends on the code that is installed",
    };
    (Verdict::Suspicious, why)
}

/// The names of Python's built-in functions and types in Python 3 and 2.
const BUILTINS: [&str; 2] = ["builtins", "__builtin__"];

/// True for modules that are known to exist: in bytes that are no pickle their names hardly stand by chance.
pub(super) fn is_known(module: &str) -> bool {
    let top = module.split('.').next().unwrap_or(module);
    DANGEROUS_MODULES.contains(&top)
        || STANDARD_MODULES.contains(&top)
        || ["torch", "numpy", "pandas", "scipy", "sklearn", "tensorflow", "keras", "transformers"]
            .contains(&top)
}

fn is_allowed_by_torch(module: &str, name: &str) -> bool {
    match module {
        "torch" => {
            let storage = name.strip_suffix("Storage").is_some_and(is_storage_kind);
            storage || is_dtype_name(name) || SAFE_TORCH.contains(&name)
        }
        "torch.cuda" | "torch.storage" => name.strip_suffix("Storage").is_some_and(is_storage_kind),
        "torch._utils" => SAFE_REBUILDS.contains(&name),
        _ => SAFE.contains(&(module, name)),
    }
}

/// True for what builds a plain value, of NumPy, `collections` or TorchScript.
fn is_plain(module: &str, name: &str) -> bool {
    match module {
        "collections" => ["defaultdict", "deque"].contains(&name),
        "numpy" => SAFE_NUMPY.contains(&name),
        "numpy.core.multiarray" | "numpy._core.multiarray" => ["_reconstruct", "scalar"].contains(&name),
        "numpy.core.numeric" | "numpy._core.numeric" => name == "_frombuffer",
        "numpy.dtypes" => name.ends_with("DType") && !name.contains('.'),
        "torch.jit._pickle" => [
            "build_intlist",
            "build_doublelist",
            "build_boollist",
            "build_tensorlist",
            "build_tensor_from_id",
            "restore_type_tag",
        ]
        .contains(&name),
        // TorchScript's types, which its own interpreter resolves: there is no Python module of this name.
        _ => {
            let parts = || module.split('.').chain(name.split('.')).skip(1);
            (module == "__torch__" || module.starts_with("__torch__."))
                && !parts().any(|part| part.starts_with("__") && part.ends_with("__"))
        }
    }
}

fn is_plain_builtin(name: &str) -> bool {
    const PLAIN: &[&str] = &[
        "dict",
        "list",
        "tuple",
        "frozenset",
        "int",
        "long",
        "float",
        "str",
        "unicode",
        "bytes",
        "basestring",
        "bool",
        "object",
        "slice",
        "range",
        "xrange",
        "NoneType",
        "Ellipsis",
        "ellipsis",
        "NotImplementedType",
    ];
    let is_error =
        name.ends_with("Error") || matches!(name, "Exception" | "StopIteration" | "KeyboardInterrupt");
    PLAIN.contains(&name) || (is_error && !name.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(global: &str) -> &'static str {
        let (module, name) = global.split_once(' ').unwrap();
        classify(module, name).0.name()
    }

    #[test]
    fn only_listed_globals_are_safe() {
        for global in [
            "torch FloatStorage",
            "torch float16",
            "torch._utils _rebuild_tensor_v2",
            "torch.nn.parameter Parameter",
            "collections OrderedDict",
            "collections defaultdict",
            "numpy.core.multiarray _reconstruct",
            "numpy._core.multiarray scalar",
            "numpy dtype",
            "numpy.dtypes Float32DType",
            "_codecs encode",
            "__torch__.net.Net forward",
        ] {
            assert_eq!(verdict(global), "safe", "{global}");
        }
        for global in [
            "torch.nn.modules.linear Linear",
            "torch._tensor _rebuild_from_type",
            "argparse Namespace",
            "builtins dict",
            "__builtin__ object",
            "copy_reg _reconstructor",
            "datetime datetime",
            "pathlib PosixPath",
            "digits_net Net",
            "__main__ Net",
            "copyreg\u{20}extension",
            "numpy matrix",
            "numpy.core.multiarray fromstring",
            "sklearn.svm._classes SVC",
            "types SimpleNamespace",
            "uuid UUID",
            "collections namedtuple",
        ] {
            assert_eq!(verdict(global), "suspicious", "{global}");
        }
    }

    #[test]
    fn families_that_run_code_are_dangerous() {
        for global in [
            " ",
            "os system",
            "posix system",
            "nt system",
            "builtins eval",
            "__builtin__ getattr",
            "builtins __import__",
            "subprocess Popen",
            "uuid _get_command_stdout",
            "_osx_support _read_output",
            "torch.jit.unsupported_tensor_ops execWrapper",
            "torch.serialization load",
            "torch.storage _load_from_bytes",
            "torch.serialization os.system",
            "torch os",
            "numpy load",
            "numpy.f2py.crackfortran _eval_length",
            "numpy.testing._private.utils runstring",
            "pathlib Path.write_text",
            "collections OrderedDict.__init__.__globals__",
            "collections _sys.modules",
            "__main__ os.system",
            "__main__ __builtins__",
            "__torch__ __class__",
            "copyreg add_extension",
            "dataclasses make_dataclass",
            "typing get_type_hints",
            "pandas read_pickle",
            "torch._dynamo.guards GuardBuilder.get",
            "keras.models load_model",
            "idlelib.pyshell ModifiedInterpreter.runcode",
            "functools partial",
            "joblib.numpy_pickle NumpyArrayWrapper",
        ] {
            assert_eq!(verdict(global), "dangerous", "{global}");
        }
    }
}
