//! Giving a whole model back: every file under its own name, in one folder.

use crate::access;
use crate::errors::{OrRaise, require_arg};
use crate::export::rebuild;
use crate::names::ModelId;
use crate::progress::{self, Subject};
use crate::server_file::check_may_write;
use crate::server_folder::NewFolder;
use crate::server_path::ServerPath;
use atomizer_core::export_paths::check_export_paths;
use atomizer_core::progress::{Phase, Unit, Work};
use pgrx::prelude::*;

#[allow(clippy::type_complexity)]
#[pg_extern(volatile, parallel_restricted, cost = 10000)]
fn export_model(
    model: Option<ModelId>,
    directory: Option<ServerPath>,
) -> TableIterator<
    'static,
    (name!(file_no, i32), name!(file_name, String), name!(byte_length, i64), name!(sha256, Vec<u8>)),
> {
    let model_id = require_arg("model", model).0;
    let directory = require_arg("directory", directory);
    check_may_write(
        &directory,
        "Without it, have export_model_file() make a large object of each file, which psql's \\lo_export fetches.",
    );
    crate::threads::start();
    let model = access::complete_model(model_id);
    check_export_paths(model.files.iter().map(|file| &*file.file_name)).or_raise();
    let total = model.files.iter().map(|file| file.byte_length as u64).sum();
    let subject = Subject::model(model.model_id);
    let _shown = progress::function(Work::Export, subject, Phase::Writing, Unit::Bytes, total);
    let mut folder = NewFolder::create(&directory);
    for (file_no, file) in (0..).zip(&model.files) {
        folder.add(&file.file_name, |new| rebuild(&model, file_no, |bytes| new.write(bytes)));
    }
    folder.finish();
    TableIterator::new(
        (0..)
            .zip(model.files)
            .map(|(file_no, file)| (file_no, file.file_name, file.byte_length, file.sha256.to_vec())),
    )
}
