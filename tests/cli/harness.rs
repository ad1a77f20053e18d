//! Runs `wa` hermetically: in a temporary folder, with an empty environment and a fixed clock.
//!
//! A failed expectation shows the command, its folder and both streams.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[path = "../harness/mod.rs"]
mod shared;

/// The default clock of tests: the day after the sample data ends.
pub const NOW: &str = "2026-11-10T02:00:00Z";

/// A temporary folder in which `wa` runs.
pub struct Sandbox {
    dir: tempfile::TempDir,
    now: String,
    environment: Vec<(String, String)>,
}

impl Sandbox {
    /// Creates an empty folder.
    pub fn new() -> Sandbox {
        let dir = tempfile::Builder::new().prefix("wa-test-").tempdir().expect("a temporary folder");
        Sandbox { dir, now: NOW.to_owned(), environment: Vec::new() }
    }

    /// Sets the clock.
    #[allow(dead_code)]
    pub fn at(mut self, now: &str) -> Sandbox {
        self.now = now.to_owned();
        self
    }

    /// Sets an environment variable.
    pub fn with(mut self, name: &str, value: &str) -> Sandbox {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Returns the path of a file in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file and creates the folders above it.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder above")).expect("folders");
        std::fs::write(path, content).expect("a file");
    }

    /// Reads a file.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("cannot read {name}: {e}"))
    }

    /// Runs `wa` with arguments that are separated by white space.
    pub fn wa(&self, arguments: &str) -> Run {
        self.run(arguments.split_whitespace())
    }

    /// Runs `wa` with arguments.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Run {
        self.run_with_input(arguments, b"")
    }

    /// Runs `wa` with arguments and standard input.
    pub fn run_with_input<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
        input: &[u8],
    ) -> Run {
        let mut command = self.command();
        command.args(arguments);
        let shown = show(&command);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut stdin = child.stdin.take().expect("standard input");
        let input = input.to_vec();
        // A separate thread writes, because the child may fill its output pipes before it reads all
        // input, or never read it.
        let writer = std::thread::spawn(move || {
            let _ = stdin.write_all(&input);
        });
        let output = child.wait_with_output().expect("the binary ends");
        writer.join().expect("the writer ends");
        Run {
            shown,
            dir: self.dir.path().to_owned(),
            status: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Returns the command without arguments.
    pub fn command(&self) -> Command {
        let mut command = shared::wa(self.dir.path(), &self.now);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// The result of a run: exit status and both streams.
pub struct Run {
    shown: String,
    dir: PathBuf,
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// Checks the exit status.
    #[track_caller]
    pub fn exits(self, status: i32) -> Run {
        assert!(self.status == Some(status), "expected exit status {status}\n{self}");
        self
    }

    /// Checks that the exit status is 0 and standard error is empty. Returns standard output.
    #[track_caller]
    pub fn output(self) -> String {
        let run = self.exits(0);
        assert!(run.stderr.is_empty(), "expected nothing on standard error\n{run}");
        run.stdout
    }

    /// Returns standard output, for any exit status.
    pub fn stdout(self) -> String {
        self.stdout
    }

    /// Checks that standard output contains a string.
    #[track_caller]
    pub fn says(self, text: &str) -> Run {
        assert!(self.stdout.contains(text), "expected on standard output: {text}\n{self}");
        self
    }

    /// Checks that standard error contains a string.
    #[track_caller]
    pub fn warns(self, text: &str) -> Run {
        assert!(self.stderr.contains(text), "expected on standard error: {text}\n{self}");
        self
    }

    /// Checks that both streams are empty.
    #[track_caller]
    pub fn prints_nothing(self) -> Run {
        assert!(self.stdout.is_empty() && self.stderr.is_empty(), "expected no output\n{self}");
        self
    }

    /// Parses standard output as JSON.
    #[track_caller]
    pub fn json(self) -> serde_json::Value {
        let run = self.exits(0);
        serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("no JSON: {e}\n{run}"))
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let status = self.status.map_or("none (killed)".to_owned(), |status| status.to_string());
        write!(f, "command: {}\nfolder:  {}\nstatus:  {status}\n", self.shown, self.dir.display())?;
        write!(f, "--- standard output\n{}--- standard error\n{}---", self.stdout, self.stderr)
    }
}

fn show(command: &Command) -> String {
    let mut shown = "wa".to_owned();
    for argument in command.get_args() {
        let _ = write!(shown, " {}", argument.to_string_lossy());
    }
    shown
}

/// Returns the root of the project.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
