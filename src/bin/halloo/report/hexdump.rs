//! A payload as a hexadecimal dump.

use std::fmt::{self, Display, Formatter, Write};

/// Bytes in a row.
const ROW: usize = 16;

/// The bytes, sixteen in a row with their offset and their ASCII characters, each row on a line of its own.
pub(crate) struct Hexdump<'a>(pub(crate) &'a [u8]);

impl Display for Hexdump<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.chunks(ROW).enumerate().try_for_each(|(number, row)| write_row(number * ROW, row, f))
    }
}

fn write_row(offset: usize, row: &[u8], f: &mut Formatter<'_>) -> fmt::Result {
    write!(f, "    {offset:04x} ")?;
    for at in 0..ROW {
        if at % 8 == 0 {
            f.write_char(' ')?;
        }
        match row.get(at) {
            Some(byte) => write!(f, "{byte:02x} ")?,
            None => f.write_str("   ")?,
        }
    }
    f.write_str(" |")?;
    for byte in row {
        f.write_char(if (b' '..=b'~').contains(byte) { char::from(*byte) } else { '.' })?;
    }
    f.write_str("|\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_sixteen() {
        let bytes: Vec<u8> = (0x1a..0x1a + 18).collect();
        let expected = "    0000  1a 1b 1c 1d 1e 1f 20 21  22 23 24 25 26 27 28 29  |...... !\"#$%&'()|\n    \
                            0010  2a 2b                                             |*+|\n";
        assert_eq!(Hexdump(&bytes).to_string(), expected);
        assert_eq!(Hexdump(b"").to_string(), "");
        assert_eq!(Hexdump(b"\xff\x7f\x9b").to_string().lines().count(), 1);
    }
}
