//! Opens files whose path or content may be untrusted.
//!
//! A store, its settings and the paths in them can be copied from elsewhere. A named pipe blocks
//! the process that opens it, a device returns endless bytes, and a sparse file of any size costs
//! its author nothing. These functions open regular files only, and read at most a given number of
//! bytes.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

/// Opens a regular file for reading. Symbolic links are followed.
///
/// # Errors
/// Fails at once if the path names another kind of object, such as a folder, a pipe or a device.
pub fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    no_blocking(&mut options, false);
    checked(options.open(path), path)
}

/// Opens a regular file with these options. A symbolic link at the end of the path is not followed.
///
/// # Errors
/// Fails at once if the path names another kind of object, such as a symbolic link, a pipe or a
/// device.
pub fn open_in_place(path: &Path, mut options: OpenOptions) -> io::Result<File> {
    no_blocking(&mut options, true);
    checked(options.open(path), path)
}

/// Reads a whole regular file of up to `max` bytes. Symbolic links are followed.
///
/// # Errors
/// Fails if the path does not name a regular file, or if the file is larger.
pub fn read(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let length = file.metadata()?.len();
    if length > max {
        return Err(too_large(length, max));
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(usize::try_from(length).map_err(io::Error::other)?)?;
    // The length of some files, such as those in `/proc`, is unknown until they are read.
    file.take(max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        return Err(too_large(bytes.len() as u64, max));
    }
    Ok(bytes)
}

/// Returns whether an error means that a path does not exist, or that one of its parent folders is
/// a file.
pub fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn too_large(length: u64, max: u64) -> io::Error {
    let message = format!("it has {length} bytes or more, and at most {max} are allowed");
    io::Error::new(io::ErrorKind::FileTooLarge, message)
}

/// Sets flags so that opening a pipe does not block, opening a terminal does not make it the
/// controlling terminal of the process, and, for `in_place`, symbolic links are not followed. The
/// flags do not affect regular files.
fn no_blocking(options: &mut OpenOptions, in_place: bool) {
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt;

        let mut flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        flags.set(OFlags::NOFOLLOW, in_place);
        options.custom_flags(flags.bits() as i32);
    }
    #[cfg(not(unix))]
    let _ = (options, in_place);
}

/// Checks that an opened file is a regular one. If it could not be opened, the error says whether
/// the path names another kind of object.
fn checked(opened: io::Result<File>, path: &Path) -> io::Result<File> {
    let found = match &opened {
        Ok(file) => Some(file.metadata()?),
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(_) => path.symlink_metadata().ok(),
    };
    match found.and_then(|metadata| other_kind(&metadata)) {
        // The link was followed, and its target cannot be opened.
        Some("a symbolic link") if opened.as_ref().is_err_and(|e| !is_link_loop(e)) => opened,
        Some(kind) => {
            let message = format!("it is {kind}, not a regular file");
            Err(io::Error::new(io::ErrorKind::InvalidInput, message))
        }
        None => opened,
    }
}

/// Returns whether opening a file failed because of a link that must not be followed, or a cycle of
/// links.
fn is_link_loop(error: &io::Error) -> bool {
    #[cfg(unix)]
    return error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    #[cfg(not(unix))]
    return error.kind() == io::ErrorKind::InvalidInput;
}

/// Returns the kind of an object that is not a regular file.
fn other_kind(metadata: &Metadata) -> Option<&'static str> {
    let kind = metadata.file_type();
    if kind.is_file() {
        return None;
    }
    if kind.is_dir() {
        return Some("a folder");
    }
    if kind.is_symlink() {
        return Some("a symbolic link");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return Some("a named pipe");
        }
        if kind.is_socket() {
            return Some("a socket");
        }
    }
    Some("a device")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_returns_up_to_the_limit_and_fails_above() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        assert_eq!(read(&path, 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read(&folder.path().join("b"), 4).unwrap_err().kind(), io::ErrorKind::NotFound);
        // A sparse file takes no space.
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(read(&path, 1 << 20).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }

    #[cfg(unix)]
    #[test]
    fn other_kinds_of_objects_fail_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("folder")).unwrap();
        let status = std::process::Command::new("mkfifo").arg(path("pipe")).status().unwrap();
        assert!(status.success());
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        for (path, kind) in [
            (path("folder"), "a folder"),
            (path("pipe"), "a named pipe"),
            (path("socket"), "a socket"),
            ("/dev/zero".into(), "a device"),
            ("/dev/tty".into(), "a device"),
        ] {
            let error = read(&path, 100).unwrap_err();
            assert_eq!(error.to_string(), format!("it is {kind}, not a regular file"));
        }
    }

    #[cfg(unix)]
    #[test]
    fn link_is_followed_unless_opened_in_place() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("a"), "text").unwrap();
        symlink("a", path("link")).unwrap();
        symlink("gone", path("dangling")).unwrap();
        assert_eq!(read(&path("link"), 4).unwrap(), b"text");
        assert_eq!(read(&path("dangling"), 4).unwrap_err().kind(), io::ErrorKind::NotFound);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true);
        for name in ["link", "dangling"] {
            let error = open_in_place(&path(name), options.clone()).unwrap_err();
            assert_eq!(error.to_string(), "it is a symbolic link, not a regular file");
        }
        assert!(!path("gone").exists());
        open_in_place(&path("a"), options).unwrap();
    }
}
