"""Stores at URLs: the lock, the working copy of the driver, and the publication of a commit.

Invariants:

- A file that `manifest.json` names exists, is complete, and never changes.
- At most one job writes: the others find its lock.
- The manifest is replaced last. A failure before that leaves the old state.

Steps of a job, and what a crash in each step leaves:

1. Create `job.lock`, which fails if it exists. A crash in this or a later step leaves the lock,
   which a user must remove. Then read `lock`: a job fails if a program that has mounted the store
   writes to it.
2. Copy `manifest.json`, `wa.toml` and the key to a temporary folder. The driver works on this copy,
   and downloads other files when it opens them.
3. For a new store: create `staging/`, and write `wa.toml`, the key, and a manifest without files,
   each in the same way as in step 5. A crash leaves a part of a store without data.
4. Create `staging/`, if step 3 has not, and write the new files to their folders. A crash leaves
   the old state and orphan files.
5. Replace the manifest. **This is the commit.** A crash leaves the old or the new state. If the file
   system cannot replace a file, a crash can leave no manifest, but a complete one in `staging/`,
   which the next job moves back.
6. Remove the files that only the old manifest names, `staging/`, and the lock. A crash leaves the new
   state and orphan files.

A job that finds `staging/` removes every orphan file first.
"""

import contextlib
import getpass
import os
import re
import shutil
import socket
import tempfile
import threading
import time
import uuid
import warnings
from concurrent.futures import ThreadPoolExecutor

from ._objects import FileRequests, manifest_files

LOCK = "job.lock"
MANIFEST = "manifest.json"
STAGING = "staging"
KEY = "key"
# The files of the working copy that are not data files.
SETTINGS = ["wa.toml", KEY]
# The names of files that a writer creates. Other files are never removed.
FILE_NAME = r"/([a-z]+-)?[0-9a-f]{32}\.(parquet|ndjson|json)$"
# Number of files that are copied at the same time.
THREADS = 8
# Seconds between two attempts to create the lock.
RETRY = 1
# The folders of data files.
DATA_FOLDERS = {"events", "sessions", "daily_stats", "visitors", "rejects", "state"}


class Store:
    """A store at a URL, locked for a job."""

    def __init__(self, files, url):
        self.url = files.qualify(url).rstrip("/")
        self.requests = FileRequests()
        self._files = files
        self._has_stopped = False
        # The content of the lock.
        self._text = None
        # The temporary folder of the working copy.
        self.folder = tempfile.mkdtemp(prefix="wa-spark-")

    def path_of(self, name):
        """Returns the URL of a file of the store."""
        return f"{self.url}/{name}"

    def _name_of(self, url):
        """Returns the name of a listed file, relative to the store."""
        if not url.startswith(f"{self.url}/"):
            raise RuntimeError(f"the file system lists {url} in the store {self.url}, which is another folder")
        return url[len(self.url) + 1 :]

    def opened(self):
        """Removes the orphan files of a crash. Called once the job has opened the working copy."""
        with open(os.path.join(self.folder, MANIFEST), "rb") as file:
            self._first = file.read()
        if self._was_interrupted:
            named = {path for path, _ in manifest_files(self._base or self._first)}
            for folder in self._data_folders:
                for entry in self._files.walk(self.path_of(folder)):
                    path = self._name_of(entry.url)
                    if path not in named and re.search(FILE_NAME, path):
                        self._files.remove(entry.url)
            self._files.remove(self.path_of(STAGING), recursive=True)

    def add_staged(self, name, position, content):
        """Adds a part of a file that a task has written."""
        if not re.fullmatch(r"[0-9a-f]{32}\.parquet", name):
            raise RuntimeError(f"a task has written a file with a wrong name: {name!r}")
        with open(os.path.join(self.folder, STAGING, name), "ab") as file:
            if file.tell() != position:
                raise RuntimeError(f"a part of the file {name} of a task is missing")
            file.write(content)

    def publish(self):
        """Uploads the commit of the working copy, and replaces the manifest of the store."""
        with open(os.path.join(self.folder, MANIFEST), "rb") as file:
            manifest = file.read()
        self._check_unchanged()
        for name in SETTINGS:
            path = os.path.join(self.folder, name)
            if name not in self._names and os.path.exists(path):
                with open(path, "rb") as file:
                    self._files.replace(self.url, name, STAGING, file.read())
        if self._base is None:
            self._files.make_folder(self.path_of(STAGING))
            self._check_unchanged()
            self._replace_manifest(self._first)
            self._base = self._first
        if manifest == self._base:
            self._files.remove(self.path_of(STAGING), recursive=True)
            return
        before, after = (dict(manifest_files(content)) for content in (self._base, manifest))
        self._upload({path: size for path, size in after.items() if path not in before})
        self._check_unchanged()
        self._replace_manifest(manifest)
        try:
            for path in before.keys() - after.keys():
                self._files.remove(self.path_of(path))
            for folder in {os.path.dirname(path) for path in before} - {os.path.dirname(path) for path in after}:
                # This succeeds only if the partition is empty.
                with contextlib.suppress(RuntimeError):
                    self._files.remove(self.path_of(folder))
            self._files.remove(self.path_of(STAGING), recursive=True)
        except RuntimeError as error:
            raise RuntimeError(
                "the job is committed, but files with old data could not be removed: "
                f"{error}\nhint: correct the cause; the next job removes them; do not repeat this job"
            ) from error

    def _upload(self, sizes):
        self._files.make_folder(self.path_of(STAGING))

        def upload(path):
            local = os.path.join(self.folder, path)
            if os.path.getsize(local) != sizes[path]:
                raise RuntimeError(f"the file {path} of a task is incomplete")
            self._files.upload(local, self.path_of(path))

        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(upload, sizes))

    def _replace_manifest(self, content):
        try:
            self._files.replace(self.url, MANIFEST, STAGING, content)
        except RuntimeError:
            # The file system can report an error although it has replaced the file.
            if self._files.read(self.path_of(MANIFEST)) != content:
                raise

    def _lock(self, name, timeout):
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        owner = f"{getpass.getuser()}@{socket.gethostname()}, process {os.getpid()}"
        self._text = f"{name} of {owner}, since {since} ({uuid.uuid4()})\n".encode()
        url, start = self.path_of(LOCK), time.monotonic()
        while not self._files.create(url, self._text):
            waited = time.monotonic() - start
            if waited >= timeout:
                holder = (self._files.read(url, 300) or b"").decode(errors="replace").strip()
                raise RuntimeError(
                    f"the store {self.url} is being written by {holder or 'another job'}; "
                    f"waited {timeout} s\nhint: wait until that job ends; if it was killed, remove {url}"
                )
            time.sleep(min(RETRY, timeout - waited))
        self._check_lock()

    def _check_lock(self):
        if self._files.read(self.path_of(LOCK)) != self._text:
            raise RuntimeError(
                f"the lock {self.path_of(LOCK)} was removed or replaced while this job held it; "
                "nothing more was committed\nhint: run the job again, and do not remove the lock of a running job"
            )

    def _check_unchanged(self):
        """Raises RuntimeError if another program has replaced the lock or the manifest."""
        self._check_lock()
        if self._files.read(self.path_of(MANIFEST)) != self._base:
            raise RuntimeError(
                f"another program has changed the store {self.url} during the job; nothing was committed\n"
                "hint: run the job again"
            )

    def _unlock(self):
        url = self.path_of(LOCK)
        try:
            if self._text is not None and self._files.read(url) == self._text:
                self._files.remove(url)
        except Exception as error:
            warnings.warn(f"the lock remains: {error}\nremove {url} before the next job", stacklevel=2)

    def _check_mounted(self):
        """Raises RuntimeError if a program that has mounted the store writes to it. Such a program
        writes its name to the file `lock` before it looks for the lock of a job."""
        holder = self._files.read(self.path_of("lock"), 300)
        if holder and holder.strip(b"\0"):
            holder = holder.decode(errors="replace").strip()
            raise RuntimeError(
                f"the store {self.url} is being written by {holder}\n"
                f"hint: wait until it ends; if it was killed, remove {self.path_of('lock')}"
            )

    def _copy(self):
        """Copies the small files to the folder, which then is a store for the driver."""
        entries = self._files.list(self.url)
        self._names = {entry.name for entry in entries}
        self._was_interrupted = STAGING in self._names
        self._data_folders = {entry.name for entry in entries if entry.is_folder} & DATA_FOLDERS
        if MANIFEST not in self._names and self._was_interrupted:
            self._restore_manifest()
        self._base = self._files.read(self.path_of(MANIFEST))
        for name in SETTINGS:
            if name in self._names:
                url = self.path_of(name)
                # The key keeps its mode, so that the job fails if other users can read it.
                mode = self._files.mode(url) if name == KEY else None
                self._files.download(url, os.path.join(self.folder, name), mode)
        if self._base is not None:
            with open(os.path.join(self.folder, MANIFEST), "wb") as file:
                file.write(self._base)
            return
        # Creates empty files in place of the entries, so that the job fails as on a mounted store if
        # the folder has other files, or data files without a manifest.
        for entry in entries:
            if entry.name in {LOCK, STAGING, *SETTINGS}:
                continue
            name = entry.name
            if name in self._data_folders:
                inner = self._files.walk(entry.url)
                if not inner:
                    continue
                name = self._name_of(inner[0].url)
            path = os.path.normpath(os.path.join(self.folder, name))
            if path.startswith(f"{self.folder}/"):
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb"):
                    pass

    def _restore_manifest(self):
        """Completes the replacement of the manifest that a crash has interrupted."""
        content = self._files.read(self.path_of(f"{STAGING}/{MANIFEST}"))
        try:
            manifest_files(content or b"")
        except RuntimeError:
            return
        self._files.rename(self.path_of(f"{STAGING}/{MANIFEST}"), self.path_of(MANIFEST))
        self._names.add(MANIFEST)

    def _download(self):
        """Downloads the files that the job requests."""
        while not self._has_stopped:
            name = self.requests.next()
            if not name:
                continue
            try:
                path = os.path.join(self.folder, name)
                os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
                self._files.download(self.path_of(name), path)
                self.requests.finish(name)
            except Exception as error:
                self.requests.finish(name, str(error))

    @contextlib.contextmanager
    def _downloads(self):
        """Downloads the files that the job requests, in threads."""
        threads = [threading.Thread(target=self._download, daemon=True) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._has_stopped = True
            self.requests.close()
            for thread in threads:
                thread.join()


@contextlib.contextmanager
def open_store(files, url, name, lock_timeout):
    """Locks the store at a URL for a job, and yields it with its working copy.

    `name` describes the job to others that wait for the lock, up to their `lock_timeout` in seconds.
    """
    store = Store(files, url)
    try:
        with _names_url(store):
            try:
                store._lock(name, lock_timeout)
                # A program that ended before this check has committed everything that is listed now.
                store._check_mounted()
                files.check_replace(store.url)
                store._copy()
                with store._downloads():
                    yield store
            finally:
                store._unlock()
    finally:
        shutil.rmtree(store.folder, ignore_errors=True)


class Copy:
    """A copy of the files of a store at a URL that describe its state, for a report."""

    def __init__(self, files, url):
        self.url = files.qualify(url).rstrip("/")
        self._files = files
        self.folder = tempfile.mkdtemp(prefix="wa-spark-")

    def path_of(self, name):
        """Returns the URL of a file of the store."""
        return f"{self.url}/{name}"

    def refresh(self):
        """Copies the current state."""
        for name in (MANIFEST, "wa.toml"):
            content = self._files.read(self.path_of(name))
            if content is not None:
                with open(os.path.join(self.folder, name), "wb") as file:
                    file.write(content)


@contextlib.contextmanager
def read_store(files, url):
    """Yields a copy of the state of the store at a URL, for a report."""
    copy = Copy(files, url)
    try:
        with _names_url(copy):
            yield copy
    finally:
        shutil.rmtree(copy.folder, ignore_errors=True)


@contextlib.contextmanager
def _names_url(store):
    """Names the URL of the store in errors instead of the temporary folder."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        text = str(error)
        if type(error) in (RuntimeError, ValueError) and store.folder in text:
            text = text.replace(f"`chmod 600 {store.folder}", f"`hadoop fs -chmod 600 {store.url}")
            raise type(error)(text.replace(store.folder, store.url)) from error
        raise
