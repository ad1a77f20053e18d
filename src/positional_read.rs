//! Positional reads (`pread`): one system call instead of a seek and a read.

use std::fs::File;
use std::io;

/// Fills `bytes` from a file, starting at `offset`, and returns the number of bytes read.
///
/// The number is less than the length of `bytes` only at the end of the file. The file position
/// does not change on Unix.
///
/// # Errors
/// Returns the error of the read, except for interrupted reads, which are retried.
pub fn read_full_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match read_at(file, rest, offset.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, bytes, offset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn read_full_at_stops_at_the_end_of_the_file() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let at = |offset, length| {
            let mut bytes = vec![b'-'; length];
            let filled = read_full_at(&file, &mut bytes, offset).unwrap();
            (filled, String::from_utf8(bytes).unwrap())
        };
        assert_eq!(at(3, 4), (4, "3456".to_owned()));
        assert_eq!(at(8, 4), (2, "89--".to_owned()));
        assert_eq!(at(20, 2), (0, "--".to_owned()));
        assert_eq!(at(0, 0), (0, String::new()));
    }
}
