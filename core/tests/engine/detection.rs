//! What holds for every format at once.

use crate::common::open;
use crate::common::zip::{archive, stored};
use crate::root;
use atomizer_core::formats::{self, Detail};
use atomizer_core::model::Format;

#[test]
fn the_sql_enum_has_every_format() {
    let sql = std::fs::read_to_string(root().join("sql/types/model_format.sql")).unwrap();
    for format in Format::ALL {
        assert!(sql.contains(&format!("'{}'", format.name())), "{}", format.name());
        assert_eq!(Format::from_name(&format.name().to_lowercase()), Some(format));
    }
}

#[test]
fn arrays_among_the_assets_of_a_keras_archive_do_not_make_it_numpy() {
    let weights = std::fs::read(root().join("testdata/hdf5/types-latest.h5")).unwrap();
    let array = std::fs::read(root().join("testdata/models/numpy-fortran.npy")).unwrap();
    let asset = stored("assets/_layer_checkpoint_dependencies/mean.npy", &array);
    let bytes = archive(&[asset.clone(), stored("model.weights.h5", &weights)]);
    assert_eq!(formats::detect(&&bytes[..]).unwrap(), Format::TensorFlow);
    assert!(!open(&bytes, Detail::Summary).unwrap().tensors.is_empty());
    assert_eq!(formats::detect(&&archive(&[asset])[..]).unwrap(), Format::NumPy);
}
