//! Reading a file at a place, without moving where it is read otherwise: one call to the system instead of two.

use std::fs::File;
use std::io;

/// Fills `bytes` with what stands in a file from `offset` on; returns how many there were, fewer than asked for
/// only where the file ends before.
///
/// # Errors
/// Those of the system.
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
    fn what_stands_at_a_place_is_read_as_far_as_the_file_goes() {
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
