"""A small WebHDFS server for the tests, which serves a local folder."""

import contextlib
import json
import os
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

PREFIX = "/webhdfs/v1"
HADOOP = "org.apache.hadoop"


class Server(ThreadingHTTPServer):
    """Serves a folder at `url`. `log` has the operations, and `fails` selects those that fail."""

    daemon_threads = True

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = Path(folder)
        self.url = f"webhdfs://127.0.0.1:{self.server_address[1]}"
        self.log = []
        self.fails = lambda operation, path: False


@contextlib.contextmanager
def serve(folder):
    """Yields a running server."""
    server = Server(folder)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        """Logs nothing."""

    def _handle(self):
        url = urlsplit(self.path.encode("latin-1").decode())
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        operation, name = query["op"].upper(), unquote(url.path.removeprefix(PREFIX))
        body = self._body()
        if "redirected" not in query:
            self.server.log.append((operation, name))
            if self.server.fails(operation, name):
                return self._error(403, f"{HADOOP}.security.AccessControlException", f"no access to {name}")
            if operation in ("OPEN", "CREATE"):
                # A name node redirects to a data node.
                host, port = self.server.server_address
                self.send_response(307)
                self.send_header("Location", f"http://{host}:{port}{self.path}&redirected=true")
                self.send_header("Content-Length", "0")
                return self.end_headers()
        try:
            getattr(self, f"_{operation.lower()}")(self.server.folder / name.lstrip("/"), query, body)
        except FileNotFoundError:
            self._error(404, "java.io.FileNotFoundException", f"File does not exist: {name}")
        except FileExistsError:
            self._error(403, f"{HADOOP}.fs.FileAlreadyExistsException", f"{name} already exists")
        except AttributeError:
            self._error(400, "java.lang.IllegalArgumentException", f"Invalid value for op: {operation}")

    do_GET = do_PUT = do_POST = do_DELETE = _handle

    def _body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _send(self, content, status=200, kind="application/json"):
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _error(self, status, name, message):
        error = {"exception": name.rsplit(".", 1)[1], "javaClassName": name, "message": message}
        self._send({"RemoteException": error}, status)

    def _getfilestatus(self, path, query, body):
        self._send({"FileStatus": _status(path, "")})

    def _liststatus(self, path, query, body):
        entries = [path] if path.is_file() else sorted(path.iterdir())
        statuses = [_status(entry, "" if entry == path else entry.name) for entry in entries]
        self._send({"FileStatuses": {"FileStatus": statuses}})

    def _getfileblocklocations(self, path, query, body):
        self._send({"BlockLocations": {"BlockLocation": []}})

    def _open(self, path, query, body):
        content = path.read_bytes()[int(query.get("offset", 0)) :]
        length = query.get("length")
        self._send(content[: int(length)] if length else content, kind="application/octet-stream")

    def _create(self, path, query, body):
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if query.get("overwrite") == "true" else os.O_EXCL)
        mode = int(query.get("unmaskedpermission", query.get("permission", "644")), 8)
        with open(os.open(path, flags, mode), "wb") as file:
            file.write(body)
        path.chmod(int(query.get("permission", "644"), 8))
        self._send(b"", 201)

    def _mkdirs(self, path, query, body):
        path.mkdir(parents=True, exist_ok=True)
        self._send({"boolean": True})

    def _rename(self, path, query, body):
        target = self.server.folder / query["destination"].lstrip("/")
        if "renameoptions" in query:
            if target.exists() and "OVERWRITE" not in query["renameoptions"]:
                raise FileExistsError
            path.replace(target)
            return self._send(b"")
        path.rename(target)
        return self._send({"boolean": True})

    def _delete(self, path, query, body):
        exists = path.exists()
        if path.is_dir():
            shutil.rmtree(path) if query.get("recursive") == "true" else path.rmdir()
        elif exists:
            path.unlink()
        self._send({"boolean": exists})


def _status(path, suffix):
    status = path.stat()
    return {
        "accessTime": 0,
        "blockSize": 1 << 27,
        "group": "users",
        "length": 0 if path.is_dir() else status.st_size,
        "modificationTime": status.st_mtime_ns // 1_000_000,
        "owner": "owner",
        "pathSuffix": suffix,
        "permission": f"{status.st_mode & 0o777:o}",
        "replication": 1,
        "type": "DIRECTORY" if path.is_dir() else "FILE",
    }
