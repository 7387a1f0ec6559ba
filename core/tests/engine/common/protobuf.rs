//! Builds protobuf messages field by field, right or wrong ones.

/// A number of variable length.
pub fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A field that holds a number.
pub fn int(number: u64, value: u64) -> Vec<u8> {
    [varint(number << 3), varint(value)].concat()
}

/// A field that holds bytes: a text, a message, packed numbers.
pub fn bytes(number: u64, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    [varint(number << 3 | 2), varint(payload.len() as u64), payload.to_vec()].concat()
}

/// A field that holds four bytes.
pub fn float(number: u64, value: f32) -> Vec<u8> {
    [varint(number << 3 | 5), value.to_le_bytes().to_vec()].concat()
}

/// The fields of a message, one behind the other.
pub fn message(fields: &[Vec<u8>]) -> Vec<u8> {
    fields.concat()
}

/// Where the fields of a message that is right begin, its end included.
pub fn borders(message: &[u8]) -> Vec<usize> {
    fn number(bytes: &[u8], offset: &mut usize) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = bytes[*offset];
            *offset += 1;
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return value;
            }
        }
    }
    let (mut offset, mut borders) = (0, vec![0]);
    while offset < message.len() {
        match number(message, &mut offset) & 7 {
            0 => {
                number(message, &mut offset);
            }
            1 => offset += 8,
            2 => offset += number(message, &mut offset) as usize,
            _ => offset += 4,
        }
        borders.push(offset);
    }
    borders
}
