//! A table of text (RFC 4180, and what spreadsheets make of it), read row by row in constant memory.
//!
//! Owns the bound on a row, so that a file without line ends costs no more than one row may. The separator is found in
//! the first lines. Knows nothing of what stands in the cells.

use std::io::{BufRead, BufReader, Cursor, Read};

use crate::bridges::error::Error;

/// Longest row: far more than any list of links has.
const ROW_BYTES_MAX: usize = 64 * 1024;
/// Lines in which the separator is looked for: a title may stand above the table.
const SEPARATOR_LINES: usize = 20;
const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];

/// The rows of a table.
pub struct Rows<R> {
    input: std::io::Chain<Cursor<Vec<u8>>, BufReader<R>>,
    separator: u8,
}

impl<R: Read> Rows<R> {
    /// - errors: when the file is a page, or is not in UTF-8.
    pub fn open(input: R) -> Result<Rows<R>, Error> {
        let mut input = BufReader::new(input);
        let mut first = Vec::new();
        let limit = u64::try_from(ROW_BYTES_MAX).expect("small") + 1;
        let mut beginning = input.by_ref().take(limit);
        for _ in 0..SEPARATOR_LINES {
            beginning.read_until(b'\n', &mut first).map_err(broken)?;
        }
        if first.starts_with(&[0xff, 0xfe]) || first.starts_with(&[0xfe, 0xff]) {
            return Err(Error::unsupported("the list is in UTF-16: save it as CSV in UTF-8"));
        }
        if first.starts_with("\u{feff}".as_bytes()) {
            first.drain(..3);
        }
        if first.trim_ascii_start().starts_with(b"<") {
            return Err(Error::malformed("a web page came instead of a list"));
        }
        let separator = separator(&first);
        Ok(Rows { input: Cursor::new(first).chain(input), separator })
    }

    /// The next row; `None` at the end.
    ///
    /// - errors: when the file ends inside quotes, or a row is too long. Nothing after that can be trusted.
    pub fn next_row(&mut self) -> Result<Option<Vec<String>>, Error> {
        let (mut cells, mut cell) = (Vec::new(), Vec::new());
        let (mut in_quotes, mut was_quote, mut bytes) = (false, false, 0_usize);
        loop {
            let byte = match self.input.fill_buf().map_err(broken)?.first() {
                Some(byte) => *byte,
                None if in_quotes && !was_quote => return Err(Error::malformed("the file ends in the middle")),
                None if bytes == 0 => return Ok(None),
                None => {
                    cells.push(text(cell));
                    return Ok(Some(cells));
                }
            };
            self.input.consume(1);
            bytes += 1;
            if bytes > ROW_BYTES_MAX {
                return Err(Error::malformed("one row is longer than any list of links has"));
            }
            if in_quotes && !was_quote {
                if byte == b'"' { was_quote = true } else { cell.push(byte) }
            } else if byte == b'"' && was_quote {
                // Two quotes inside quotes are one.
                cell.push(b'"');
                was_quote = false;
            } else if byte == b'"' && cell.is_empty() && !in_quotes {
                in_quotes = true;
            } else if byte == self.separator {
                cells.push(text(std::mem::take(&mut cell)));
                (in_quotes, was_quote) = (false, false);
            } else if byte == b'\n' {
                cells.push(text(cell));
                return Ok(Some(cells));
            } else {
                cell.push(byte);
            }
        }
    }
}

/// The separator that stands most often in these lines, outside quotes.
fn separator(lines: &[u8]) -> u8 {
    let mut counts = [0_usize; SEPARATORS.len()];
    let mut in_quotes = false;
    for byte in lines {
        in_quotes ^= *byte == b'"';
        if let Some(place) = SEPARATORS.iter().position(|known| known == byte).filter(|_| !in_quotes) {
            counts[place] += 1;
        }
    }
    let best = (0..counts.len()).rev().max_by_key(|place| counts[*place]).expect("there are some");
    SEPARATORS[best]
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

fn broken(error: std::io::Error) -> Error {
    Error::malformed(format!("the file could not be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &[u8]) -> Result<Vec<Vec<String>>, Error> {
        let mut rows = Rows::open(text)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next_row()? {
            found.push(row);
        }
        Ok(found)
    }

    fn check(text: &str, expected: &[&[&str]]) {
        let expected: Vec<Vec<String>> =
            expected.iter().map(|row| row.iter().map(|it| it.to_string()).collect()).collect();
        assert_eq!(rows(text.as_bytes()), Ok(expected), "{text}");
    }

    #[test]
    fn tables_of_every_maker_are_read() {
        check("a,b\r\n1, 2 \r\n", &[&["a", "b"], &["1", "2"]]);
        check("\u{feff}a;b;c,d\n1;2;3", &[&["a", "b", "c,d"], &["1", "2", "3"]]);
        check("a\tb\n", &[&["a", "b"]]);
        check("\"a,\"\"x\"\"\nb\",c\n\"\",\n", &[&["a,\"x\"\nb", "c"], &["", ""]]);
        check("one\n\ntwo", &[&["one"], &[""], &["two"]]);
        check("5\" disc,b\n", &[&["5\" disc", "b"]]);
        check("", &[]);
    }

    #[test]
    fn what_is_no_table_is_refused() {
        let class = |text: &[u8]| rows(text).unwrap_err().class();
        assert_eq!(class(b"<!DOCTYPE html>"), "malformed");
        assert_eq!(class(b"\"open"), "malformed");
        assert_eq!(class(b"\xff\xfeh\0"), "unsupported");
        assert_eq!(class(&vec![b'x'; 100_000]), "malformed");
    }
}
