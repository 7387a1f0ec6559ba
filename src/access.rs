//! What a caller may see: every look at a model or a tensor goes through here.

use crate::errors::raise;
use crate::server_path::StoredName;
use crate::{membership, owner};
use atomizer_core::byte_range::ByteRange;
use atomizer_core::dtype::Dtype;
use atomizer_core::formats::FileRole;
use atomizer_core::hash::Hash;
use pgrx::prelude::*;
use pgrx::spi::SpiHeapTupleData;

/// A tensor as stored.
#[derive(Clone)]
pub struct StoredTensor {
    pub tensor_atom_id: i64,
    pub layer_name: String,
    pub shape: Vec<u64>,
    pub dtype: Dtype,
    pub weight_count: i64,
    pub byte_length: i64,
    pub content_hash: Hash,
    pub file_no: i32,
    /// None for a tensor whose bytes are computed from its file.
    pub file_offset: Option<i64>,
    pub has_weight_atoms: bool,
}

impl StoredTensor {
    /// Where the bytes stand in the tensor's file; none where they are computed.
    pub fn range(&self) -> Option<ByteRange> {
        Some(ByteRange::new(self.file_offset? as u64, self.byte_length as u64))
    }
}

/// A file of a model as stored.
pub struct StoredModelFile {
    pub file_name: String,
    pub byte_length: i64,
    pub sha256: Hash,
    pub blob_hash: Hash,
    pub role: FileRole,
}

/// A model with all of its files and tensors, in order.
pub struct StoredModel {
    pub model_id: i64,
    pub model_name: String,
    pub is_complete: bool,
    pub files: Vec<StoredModelFile>,
    pub tensors: Vec<StoredTensor>,
}

/// The name of a model; raises an error unless the caller acts for its tenant.
pub fn model_name(model_id: i64) -> String {
    // Before the change of user: within, the caller would be the owner.
    let tenants = membership::my_tenant_ids();
    let found = owner::read_value::<StoredName>(
        "SELECT model_name FROM atomizer.model WHERE model_id = $1 AND tenant_id = ANY ($2)",
        &[model_id.into(), tenants.into()],
    );
    found.map(|name| name.0).unwrap_or_else(|| {
        // One message for both: a tenant must not learn which models others have.
        raise(
            PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
            format!("model {model_id} does not exist, or is not yours"),
            "SELECT * FROM atomizer.model shows your models.",
        )
    })
}

/// A model the caller may see.
pub fn model(model_id: i64) -> StoredModel {
    model_name(model_id);
    load(model_id)
}

/// A model the caller may see, all of whose bytes are stored.
pub fn complete_model(model_id: i64) -> StoredModel {
    let model = model(model_id);
    if !model.is_complete {
        raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("model \"{}\" is not complete", model.model_name),
            "SELECT * FROM atomizer.ingestion_progress shows its job; CALL atomize_model_governed(…) resumes it.",
        );
    }
    model
}

/// A model, for callers that were checked before.
pub fn load(model_id: i64) -> StoredModel {
    owner::read(|reader| {
        let mut head = reader.rows(
            "SELECT model_name, is_complete FROM atomizer.model WHERE model_id = $1",
            &[model_id.into()],
        );
        let (model_name, is_complete) =
            head.next().map(|row| (name(&row, 1), field(&row, 2))).unwrap_or_default();
        let files = reader
            .rows(
                // The previous version's table has no roles.
                "SELECT file_name, byte_length, sha256, blob_hash, coalesce(to_jsonb(f) ->> 'role', 'weights') \
                 FROM atomizer.model_file f WHERE model_id = $1 ORDER BY file_no",
                &[model_id.into()],
            )
            .map(|row| StoredModelFile {
                file_name: name(&row, 1),
                byte_length: field(&row, 2),
                sha256: hash(&row, 3),
                blob_hash: hash(&row, 4),
                role: role(&row, 5),
            })
            .collect();
        let statement = format!("{TENSOR} WHERE model_id = $1 ORDER BY tensor_no");
        let tensors = reader.rows(&statement, &[model_id.into()]).map(|row| tensor_of(&row)).collect();
        StoredModel { model_id, model_name, is_complete, files, tensors }
    })
}

const TENSOR: &str = "SELECT tensor_atom_id, layer_name, shape, data_type::text, \
     weight_count, byte_length, content_hash, file_no, file_offset, has_weight_atoms FROM atomizer.tensor_atom";

/// A tensor of a complete model the caller may see.
pub fn tensor(tensor_atom_id: i64) -> StoredTensor {
    let statement =
        format!("{TENSOR} WHERE tensor_atom_id = $1 AND tenant_id = ANY ($2) AND valid_from IS NOT NULL");
    // Before the change of user: within, the caller would be the owner.
    let tenants = membership::my_tenant_ids();
    let found = owner::read(|reader| {
        let args = [tensor_atom_id.into(), tenants.into()];
        reader.rows(&statement, &args).map(|row| tensor_of(&row)).next()
    });
    found.unwrap_or_else(|| {
        raise(
            PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
            format!(
                "tensor atom {tensor_atom_id} does not exist, is not yours, or belongs to an incomplete model"
            ),
            "SELECT tensor_atom_id, layer_name FROM atomizer.tensor_atom shows your tensors.",
        )
    })
}

fn tensor_of(row: &SpiHeapTupleData) -> StoredTensor {
    let shape: Vec<i64> = field(row, 3);
    let data_type: String = field(row, 4);
    StoredTensor {
        tensor_atom_id: field(row, 1),
        layer_name: name(row, 2),
        shape: shape.into_iter().map(|extent| extent as u64).collect(),
        dtype: dtype(&data_type),
        weight_count: field(row, 5),
        byte_length: field(row, 6),
        content_hash: hash(row, 7),
        file_no: field(row, 8),
        file_offset: row.get(9).unwrap_or_else(|error| error!("{error}")),
        has_weight_atoms: field(row, 10),
    }
}

/// A data type by its label in SQL.
pub fn dtype(name: &str) -> Dtype {
    Dtype::from_name(name).unwrap_or_else(|| {
        raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("data type {name} is not known to the library"),
            "The extension's objects are newer than its library: reconnect, or install the library of their version.",
        )
    })
}

/// A column that is declared not null.
pub fn field<T: FromDatum + IntoDatum>(row: &SpiHeapTupleData, ordinal: usize) -> T {
    row.get(ordinal).unwrap_or_else(|error| error!("{error}")).expect("the column is not null")
}

/// A name, which is not null.
pub fn name(row: &SpiHeapTupleData, ordinal: usize) -> String {
    field::<StoredName>(row, ordinal).0
}

fn role(row: &SpiHeapTupleData, ordinal: usize) -> FileRole {
    let name = name(row, ordinal);
    FileRole::from_name(&name).unwrap_or_else(|| error!("role {name} is not known"))
}

/// A column that holds a SHA-256.
pub fn hash(row: &SpiHeapTupleData, ordinal: usize) -> Hash {
    let bytes: Vec<u8> = field(row, ordinal);
    bytes.try_into().unwrap_or_else(|bytes: Vec<u8>| {
        raise(
            PgSqlErrorCode::ERRCODE_DATA_CORRUPTED,
            format!("a content's hash has {} bytes, not 32", bytes.len()),
            "Run check_integrity() to find every damaged content.",
        )
    })
}
