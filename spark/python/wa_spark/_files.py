"""Spark's file systems: Hadoop's `FileSystem`, through the JVM of the driver."""

import contextlib
import os
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from ._engine import is_classic

HADOOP = "org.apache.hadoop"
# The umask of new files: only their owner can read them.
UMASK = "077"
# The hint of errors whose cause is unknown.
HINT = "check the URL, your permissions, and the settings spark.hadoop.fs.* of this file system"
# Object stores that replace an object atomically when it is written.
OBJECT_STORES = {"s3", "s3a", "s3n", "gs", "oss", "obs", "cos", "cosn", "swift"}
# File systems with the permissions of POSIX. Others can report fixed permissions.
PERMISSIONS = {"file", "hdfs", "webhdfs", "swebhdfs"}


def is_url(path):
    """Returns whether a path is a URL of a file system that this process cannot open."""
    return local_path(path) is None


def local_path(path):
    """Returns the path of a local file or folder, which may be a `file:` URL; None for other URLs."""
    path = os.fspath(path)
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", path):
        return path
    url = urlsplit(path)
    if url.scheme.lower() == "file" and url.netloc in ("", "localhost"):
        return unquote(url.path)
    return None


@dataclass(frozen=True)
class Status:
    """A file or folder, as a file system lists it."""

    url: str
    is_folder: bool
    bytes: int
    # When it was modified, in milliseconds since 1970.
    modified: int

    @property
    def name(self):
        """The last part of the URL."""
        return self.url.rstrip("/").rsplit("/", 1)[-1]


class FileSystems:
    """The file systems that a Spark session can reach, with the settings of the session."""

    def __init__(self, spark, url):
        """`url` is the URL for which they are needed; it is named in errors."""
        if not is_classic(spark):
            raise ValueError(
                f"{url} is not a path: Sail and Spark Connect cannot open file systems for this job\n"
                "hint: use a classic Spark session, or mount the file system on all machines and pass the path"
            )
        self._gateway = spark.sparkContext._gateway
        self._hadoop = spark._jvm.org.apache.hadoop
        self._settings = spark._jsparkSession.sessionState().newHadoopConf()
        self._settings.set("fs.permissions.umask-mode", UMASK)
        self._open = {}

    def close(self):
        """Closes the file systems."""
        for system in self._open.values():
            with contextlib.suppress(Exception):
                system.close()
        self._open = {}

    def status(self, url):
        """Returns the status of a file or folder; None if it does not exist."""

        def find():
            path, system = self._find(url)
            return _status(system.getFileStatus(path))

        return self._if_exists("read", url, find)

    def list(self, url):
        """Returns the entries of a folder, sorted by URL; none if it does not exist."""

        def find():
            path, system = self._find(url)
            return [_status(entry) for entry in system.listStatus(path)]

        return sorted(self._if_exists("list", url, find) or [], key=lambda entry: entry.url)

    def walk(self, url):
        """Returns the files in a folder and its subfolders."""
        found, folders = [], [url]
        while folders:
            for entry in self.list(folders.pop()):
                (folders if entry.is_folder else found).append(entry.url if entry.is_folder else entry)
        return found

    def glob(self, url):
        """Returns the files and folders that match a pattern, sorted by URL."""
        with self._errors("search", url):
            path, system = self._find(url)
            return sorted((_status(found) for found in system.globStatus(path) or []), key=lambda found: found.url)

    def read(self, url, limit=None):
        """Returns the bytes of a small file, or its first `limit` bytes; None if it does not exist."""

        def read():
            path, system = self._find(url)
            stream = system.open(path)
            try:
                return bytes(stream.readAllBytes() if limit is None else stream.readNBytes(limit))
            finally:
                stream.close()

        return self._if_exists("read", url, read)

    def create(self, url, content):
        """Writes a new file. Returns False if another file exists."""
        try:
            self._write(url, content, False)
        except RuntimeError as error:
            found = self.read(url, len(content) + 1)
            if found is None:
                raise
            # The file system can report an error although it has written the file.
            if found != content:
                if self._is_part(url, found, content, error):
                    self.remove(url)
                    raise
                return False
        return True

    def _is_part(self, url, found, content, error):
        """Returns whether a file is the part of `content` that a failed write has left."""
        if isinstance(error, _Unfinished) and content.startswith(found):
            return self._path(url).toUri().getScheme() not in OBJECT_STORES
        return False

    def replace(self, folder, name, staging, content):
        """Replaces the contents of the file `name` of a folder.

        Object stores replace it atomically when it is written. For other file systems, the content is
        written to the subfolder `staging` and renamed: atomically on HDFS. Some file systems remove
        the old file first, so that a crash can leave only the new file in `staging`.
        """
        with self._errors("replace", f"{folder}/{name}"):
            folder, renames = self._resolve(folder)
            target, staged = f"{folder}/{name}", f"{folder}/{staging}/{name}"
            if renames is None:
                self._write(target, content, True)
                return
            self._write(staged, content, True)
            rename = self._hadoop.fs.Options.Rename
            options = self._gateway.new_array(rename, 1)
            options[0] = rename.OVERWRITE
            renames.rename(self._path(staged), self._path(target), options)

    def check_replace(self, folder):
        """Raises RuntimeError if files of an existing folder cannot be replaced."""
        with self._errors("replace files in", folder):
            self._resolve(folder)

    def _resolve(self, folder):
        """Returns the URL of a folder, and the object that replaces its files by a rename; None for
        object stores."""
        path, system = self._find(folder)
        # A mount table leads to another file system.
        path, system = self._find(system.resolvePath(path).toString())
        if path.toUri().getScheme() in OBJECT_STORES:
            return path.toString(), None
        if self._is_hdfs(system):
            return path.toString(), system
        return path.toString(), self._hadoop.fs.FileContext.getFileContext(path.toUri(), self._settings)

    def _is_hdfs(self, system):
        """Returns whether a file system can replace a file by an atomic rename."""
        from py4j.java_gateway import is_instance_of

        hdfs = f"{HADOOP}.hdfs.DistributedFileSystem", f"{HADOOP}.hdfs.web.WebHdfsFileSystem"
        return any(is_instance_of(self._gateway, system, name) for name in hdfs)

    def download(self, url, path, mode=None):
        """Copies a file to a local path, with a mode; by default, only the owner can read it."""
        with self._errors("read", url):
            source, system = self._find(url)
            system.copyToLocalFile(False, source, self._local(f"{path}.part"), True)
        os.chmod(f"{path}.part", 0o600 if mode is None else mode)
        os.replace(f"{path}.part", path)

    def mode(self, url):
        """Returns the mode of an existing file; None if its file system has no permissions."""
        with self._errors("read the permissions of", url):
            path, system = self._find(url)
            path, system = self._find(system.resolvePath(path).toString())
            if path.toUri().getScheme() not in PERMISSIONS:
                return None
            return system.getFileStatus(path).getPermission().toShort() & 0o777

    def rename(self, url, target):
        """Renames a file. `target` does not exist."""
        with self._errors("rename", url):
            path, system = self._find(url)
            if not system.rename(path, self._path(target)):
                raise RuntimeError(f"cannot rename {url} to {target}\nhint: {HINT}")

    def upload(self, path, url):
        """Copies a local file, and replaces an existing file."""
        with self._errors("write", url):
            target, system = self._find(url)
            system.copyFromLocalFile(False, True, self._local(path), target)

    def make_folder(self, url):
        """Creates a folder and its parents."""
        with self._errors("create", url):
            path, system = self._find(url)
            system.mkdirs(path)

    def remove(self, url, recursive=False):
        """Removes a file, or a folder with all its files."""
        with self._errors("remove", url):
            path, system = self._find(url)
            if not system.delete(path, recursive) and self.status(url) is not None:
                raise RuntimeError(f"cannot remove {url}\nhint: {HINT}")

    def qualify(self, url):
        """Returns the URL of a path as file systems list it."""
        with self._errors("open", url):
            path, system = self._find(url)
            return system.makeQualified(path).toString()

    def _write(self, url, content, overwrite):
        with self._errors("write", url):
            path, system = self._find(url)
            stream = system.create(path, overwrite)
        try:
            with self._errors("write", url):
                try:
                    stream.write(bytearray(content))
                except BaseException:
                    # On object stores, closing the stream would publish a part of the content.
                    # Other streams cannot be aborted.
                    with contextlib.suppress(Exception):
                        stream.abort()
                    raise
                stream.close()
        except RuntimeError as error:
            cause = error.__cause__
            # Some file systems create the file when the stream is closed.
            if cause is None or re.match(r"[^:]*Already(Exists|BeingCreated)", cause.java_exception.toString()):
                raise
            raise _Unfinished(str(error)) from cause

    def _path(self, url):
        return self._hadoop.fs.Path(url)

    def _local(self, path):
        return self._hadoop.fs.Path("file", None, os.path.abspath(path))

    def _find(self, url):
        """Returns the path of a URL, and its file system."""
        path = self._path(url)
        address = path.toUri()
        key = (address.getScheme(), address.getAuthority())
        if key not in self._open:
            # A separate instance, because a shared one keeps its settings.
            system = self._hadoop.fs.FileSystem.newInstance(address, self._settings)
            self._open[key] = system
            self._write_no_checksum_files(system)
        return path, self._open[key]

    def _write_no_checksum_files(self, system):
        """Keeps a local file system, also one in a mount table, from writing `.crc` files."""
        if system.getScheme() in ("file", "viewfs"):
            for each in [system, *(system.getChildFileSystems() or [])]:
                each.setWriteChecksum(False)
                each.setVerifyChecksum(False)

    def _if_exists(self, action, url, run):
        """Returns the result of `run`; None if the file does not exist."""
        from py4j.java_gateway import is_instance_of

        with self._errors(action, url):
            try:
                return run()
            except _java_error() as error:
                if is_instance_of(self._gateway, error.java_exception, "java.io.FileNotFoundException"):
                    return None
                raise

    @contextlib.contextmanager
    def _errors(self, action, url):
        """Converts Java exceptions to RuntimeError, with the URL."""
        try:
            yield
        except _java_error() as error:
            reason = str(error.java_exception.toString()).split("\n")[0]
            hint = HINT
            if "AbstractFileSystem" in reason:
                hint = "set spark.hadoop.fs.AbstractFileSystem.<scheme>.impl; the manifest is replaced through it"
            elif "UnsupportedFileSystemException" in reason or "ClassNotFoundException" in reason:
                hint = "add the library of this file system to Spark, for example with --packages"
            raise RuntimeError(f"cannot {action} {url}: {reason}\nhint: {hint}") from error


class _Unfinished(RuntimeError):
    """A write that failed after it had created the file."""


def _java_error():
    from py4j.protocol import Py4JJavaError

    return Py4JJavaError


def _status(status):
    return Status(
        status.getPath().toString(), status.isDirectory(), status.getLen(), status.getModificationTime()
    )
