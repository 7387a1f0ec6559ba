CREATE TYPE atomizer.atom_kind AS ENUM ('tensor', 'blob', 'weight');
COMMENT ON TYPE atomizer.atom_kind IS
    'What an atom holds: a tensor''s bytes, a file''s other bytes, or one weight.';
GRANT USAGE ON TYPE atomizer.atom_kind TO PUBLIC;
