//! What importing a global means. Safe are those that `torch.load(weights_only=True)` allows
//! (`torch/_weights_only_unpickler.py`); dangerous, the modules of Python's library that run code, start
//! programs or reach files and networks, and loaders of further pickles.

use crate::formats::containers::pickle::EXTENSION;
use crate::formats::torch::names::{is_dtype_name, is_storage_kind};

/// What importing a global means, from harmless to harmful.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// On torch's own list of what it loads with `weights_only`.
    Safe,
    /// Known, and builds a plain value.
    Harmless,
    /// Known to nobody here: what calling it does is up to the code that is installed.
    Unknown,
    /// Runs code, starts programs, or reads and writes files.
    Dangerous,
}

impl Verdict {
    /// The verdict's name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Harmless => "harmless",
            Self::Unknown => "unknown",
            Self::Dangerous => "dangerous",
        }
    }
}

/// What importing a global means, and why.
pub fn classify(module: &str, name: &str) -> (Verdict, &'static str) {
    if module.is_empty() {
        return (Verdict::Dangerous, "its name is computed while the pickle is loaded");
    }
    if is_safe(module, name) {
        return (Verdict::Safe, "torch loads it with weights_only");
    }
    if module == EXTENSION {
        return (Verdict::Unknown, "a number in a registry of the program that loads it");
    }
    if is_harmless(module, name) {
        return (Verdict::Harmless, "it builds a plain value");
    }
    // A qualified name leads through attributes: torch.serialization.os.system is os.system.
    let mut parts = module.split('.').chain(name.split('.'));
    if parts.clone().any(|part| part.starts_with("__") && part.ends_with("__")) {
        let torch_script = module.starts_with("__torch__.");
        if !torch_script {
            return (Verdict::Dangerous, "it reaches Python's internals");
        }
    }
    if RUNS_CODE.contains(&name) || name.rsplit('.').next().is_some_and(|last| RUNS_CODE.contains(&last)) {
        return (Verdict::Dangerous, "it runs code or reaches what does");
    }
    let top = parts.next().unwrap_or(module);
    if DANGEROUS_MODULES.contains(&top) {
        return (
            Verdict::Dangerous,
            "its module runs code, starts programs, or reaches files or the network",
        );
    }
    if name.contains('.') && parts.any(|part| DANGEROUS_MODULES.contains(&part)) {
        return (Verdict::Dangerous, "it reaches a module that runs code");
    }
    if DANGEROUS.contains(&(module, name))
        || DANGEROUS_PREFIXES.iter().any(|prefix| module.starts_with(prefix))
    {
        return (Verdict::Dangerous, "it loads or runs code that comes with the file");
    }
    (Verdict::Unknown, "what calling it does depends on the code that is installed")
}

fn is_safe(module: &str, name: &str) -> bool {
    match module {
        "torch" => {
            let storage = name.strip_suffix("Storage").is_some_and(is_storage_kind);
            storage || is_dtype_name(name) || SAFE_TORCH.contains(&name)
        }
        "torch._utils" => SAFE_REBUILDS.contains(&name),
        _ => SAFE.contains(&(module, name)),
    }
}

/// Of module `torch`.
const SAFE_TORCH: &[&str] = &[
    "Size",
    "Tensor",
    "device",
    "strided",
    "sparse_coo",
    "sparse_csr",
    "sparse_csc",
    "sparse_bsr",
    "sparse_bsc",
    "per_tensor_affine",
    "per_channel_affine",
    "per_tensor_symmetric",
    "per_channel_symmetric",
    "per_channel_affine_float_qparams",
];
/// Of module `torch._utils`.
const SAFE_REBUILDS: &[&str] = &[
    "_rebuild_tensor",
    "_rebuild_tensor_v2",
    "_rebuild_tensor_v3",
    "_rebuild_parameter",
    "_rebuild_parameter_with_state",
    "_rebuild_qtensor",
    "_rebuild_sparse_tensor",
    "_rebuild_sparse_csr_tensor",
    "_rebuild_nested_tensor",
    "_rebuild_meta_tensor_no_storage",
    "_rebuild_wrapper_subclass",
    "_rebuild_device_tensor_from_numpy",
    "_rebuild_device_tensor_from_cpu_tensor",
    "_rebuild_xla_tensor",
];
const SAFE: &[(&str, &str)] = &[
    ("collections", "OrderedDict"),
    ("collections", "Counter"),
    ("torch._tensor", "_rebuild_from_type_v2"),
    ("torch.nn.parameter", "Parameter"),
    ("torch.nn.parameter", "Buffer"),
    ("torch.serialization", "_get_layout"),
    ("torch.storage", "UntypedStorage"),
    ("torch.storage", "_UntypedStorage"),
    ("torch.storage", "TypedStorage"),
    ("torch.storage", "_TypedStorage"),
    ("_codecs", "encode"),
    ("builtins", "bytearray"),
    ("builtins", "set"),
    ("builtins", "complex"),
    ("__builtin__", "bytearray"),
    ("__builtin__", "set"),
    ("__builtin__", "complex"),
];

fn is_harmless(module: &str, name: &str) -> bool {
    // TorchScript's types, which its own interpreter resolves: no Python module is imported.
    if module == "__torch__" || module.starts_with("__torch__.") {
        return true;
    }
    let list: &[&str] = match module {
        "builtins" | "__builtin__" => &[
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
            "bool",
            "object",
            "slice",
            "range",
            "xrange",
            "NoneType",
            "Ellipsis",
        ],
        "collections" => &["defaultdict", "deque"],
        "copyreg" | "copy_reg" => &["_reconstructor"],
        "datetime" => &["datetime", "date", "time", "timedelta", "timezone"],
        "decimal" => &["Decimal"],
        "fractions" => &["Fraction"],
        "uuid" => &["UUID"],
        "argparse" => &["Namespace"],
        "types" => &["SimpleNamespace"],
        "pathlib" => &["Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath"],
        "numpy" => &["ndarray", "dtype"],
        "numpy.core.multiarray" | "numpy._core.multiarray" => &["_reconstruct", "scalar"],
        "numpy.core.numeric" | "numpy._core.numeric" => &["_frombuffer"],
        "torch.cuda" | "torch.storage" => {
            return name.strip_suffix("Storage").is_some_and(is_storage_kind);
        }
        "torch._tensor" => &["_rebuild_from_type"],
        "torch.jit._pickle" => &[
            "build_intlist",
            "build_doublelist",
            "build_boollist",
            "build_tensorlist",
            "build_tensor_from_id",
            "restore_type_tag",
        ],
        _ => return false,
    };
    list.contains(&name)
}

/// Names that run code wherever they are found.
const RUNS_CODE: &[&str] = &[
    "eval",
    "exec",
    "execfile",
    "compile",
    "__import__",
    "import_module",
    "system",
    "popen",
    "Popen",
    "spawn",
    "getattr",
    "setattr",
    "delattr",
    "apply",
    "runstring",
    "run_module",
    "run_path",
    "attrgetter",
    "methodcaller",
    "FunctionType",
    "CodeType",
    "LambdaType",
    "load_library",
    "_load_from_bytes",
    "open",
    "breakpoint",
    "globals",
];
/// Modules of Python's library that run code, start programs, reach files or the network, or load
/// further pickles. The top of the dotted name counts.
const DANGEROUS_MODULES: &[&str] = &[
    "os",
    "posix",
    "nt",
    "posixpath",
    "ntpath",
    "sys",
    "subprocess",
    "_posixsubprocess",
    "commands",
    "popen2",
    "pty",
    "shutil",
    "socket",
    "_socket",
    "socketserver",
    "ssl",
    "select",
    "selectors",
    "asyncio",
    "multiprocessing",
    "_multiprocessing",
    "threading",
    "_thread",
    "thread",
    "concurrent",
    "signal",
    "_signal",
    "ctypes",
    "_ctypes",
    "cffi",
    "mmap",
    "fcntl",
    "resource",
    "runpy",
    "importlib",
    "imp",
    "_imp",
    "_frozen_importlib",
    "_frozen_importlib_external",
    "zipimport",
    "pkgutil",
    "modulefinder",
    "builtins",
    "__builtin__",
    "__builtins__",
    "__main__",
    "code",
    "codeop",
    "types",
    "operator",
    "_operator",
    "functools",
    "_functools",
    "inspect",
    "gc",
    "pickle",
    "_pickle",
    "cPickle",
    "pickletools",
    "shelve",
    "marshal",
    "dill",
    "cloudpickle",
    "joblib",
    "jsonpickle",
    "yaml",
    "bdb",
    "pdb",
    "cProfile",
    "profile",
    "_lsprof",
    "trace",
    "timeit",
    "doctest",
    "unittest",
    "test",
    "pydoc",
    "idlelib",
    "lib2to3",
    "turtle",
    "turtledemo",
    "tkinter",
    "webbrowser",
    "antigravity",
    "urllib",
    "urllib2",
    "httplib",
    "http",
    "requests",
    "aiohttp",
    "httpx",
    "ftplib",
    "smtplib",
    "telnetlib",
    "imaplib",
    "poplib",
    "nntplib",
    "xmlrpc",
    "paramiko",
    "sqlite3",
    "tempfile",
    "io",
    "_io",
    "_pyio",
    "fileinput",
    "linecache",
    "glob",
    "tarfile",
    "zipfile",
    "pip",
    "setuptools",
    "distutils",
    "pkg_resources",
    "ensurepip",
    "venv",
    "site",
    "platform",
    "logging",
    "cgi",
    "cgitb",
    "wsgiref",
    "rlcompleter",
    "readline",
    "sysconfig",
    "ast",
    "symtable",
    "dis",
    "faulthandler",
    "atexit",
    "weakref",
    "contextlib",
    "crypt",
    "getpass",
    "nturl2path",
    "msvcrt",
    "winreg",
    "_winapi",
    "winsound",
];
const DANGEROUS: &[(&str, &str)] = &[
    ("torch", "load"),
    ("torch.serialization", "load"),
    ("torch.jit", "load"),
    ("torch.jit", "script"),
    ("torch.package", "PackageImporter"),
    ("numpy", "load"),
    ("numpy", "fromfile"),
    ("numpy", "memmap"),
    ("pandas", "read_pickle"),
    ("pandas", "eval"),
];
const DANGEROUS_PREFIXES: &[&str] = &[
    "torch.hub",
    "torch.utils.cpp_extension",
    "torch.utils.bottleneck",
    "torch.utils._config_module",
    "torch.utils.collect_env",
    "torch._dynamo",
    "torch._inductor",
    "torch.fx",
    "torch.distributed.elastic",
    "torch.multiprocessing",
    "numpy.testing",
    "numpy.f2py",
    "numpy.distutils",
    "pandas.io",
];
