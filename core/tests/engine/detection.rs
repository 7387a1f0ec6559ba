//! What holds for every format at once.

use crate::root;
use atomizer_core::model::Format;

#[test]
fn the_sql_enum_has_every_format() {
    let sql = std::fs::read_to_string(root().join("sql/types/model_format.sql")).unwrap();
    for format in Format::ALL {
        assert!(sql.contains(&format!("'{}'", format.name())), "{}", format.name());
        assert_eq!(Format::from_name(&format.name().to_lowercase()), Some(format));
    }
}
