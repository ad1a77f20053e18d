//! The jobs and tasks of this process, by number, and their methods.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use wa::cli::DistributedReport;
use wa::distributed::{
    DedupeTask, FileRequests, Job, JobOptions, JobRequest, ListedFile, ParseTask, ReportContext, Rewrite,
    Rows, SessionsTask, StoredSessions, TaskContext, VisitorsTask, is_log_name, manifest_files, rewrite,
    stored_rows, stored_sessions,
};
use wa::{Error, Result};

use crate::arrow::Batch;

/// An object with methods.
enum Object {
    /// The data that the tasks of a job share.
    Context(Arc<TaskContext>),
    /// A task that parses a file.
    Parse(Box<ParseTask>),
    /// Rows that are ready.
    Rows(VecDeque<Rows>),
    /// A task that removes the duplicates of a partition, and its finished rows.
    Dedupe(Option<Box<DedupeTask>>, VecDeque<Rows>),
    /// A task that writes the events and sessions of a partition, and its reports.
    Sessions(Option<Box<SessionsTask>>, VecDeque<Rows>),
    /// A job.
    Job(Box<Job>),
    /// The requests of a job for files that its working copy does not contain.
    Requests(Arc<FileRequests>),
    /// A report.
    Report(Box<DistributedReport>),
    /// The data that the tasks of a report share.
    ReportContext(ReportContext),
    /// A task that counts the visitors of a partition, and its results.
    Visitors(Option<VisitorsTask>, VecDeque<Rows>),
}

/// An object that one thread at a time uses; `None` after its end.
type Shared = Arc<Mutex<Option<Object>>>;

static OBJECTS: LazyLock<Mutex<HashMap<u64, Shared>>> = LazyLock::new(Mutex::default);
static NEXT: AtomicU64 = AtomicU64::new(1);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds an object, and returns its number as text.
fn add(object: Object) -> Vec<u8> {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    lock(&OBJECTS).insert(number, Arc::new(Mutex::new(Some(object))));
    number.to_string().into_bytes()
}

/// The arguments of a new job.
#[derive(Deserialize)]
struct JobArguments {
    store: PathBuf,
    /// The number of the object with the requests for files, if the store is a working copy.
    requests: Option<u64>,
    inputs: Vec<PathBuf>,
    listed: Vec<ListedFile>,
    options: JobOptions,
    now: i64,
    lock_timeout_seconds: u64,
}

/// How long a thread waits for a request before it checks whether the job has ended.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(1);

/// Calls a method of an object, and returns its result as JSON. `batch` receives or supplies rows.
///
/// The methods of number 0 create objects (`context`, `job`, `file_requests`, `report`,
/// `report_context`), or need none (`manifest_files`, `log_names`). `drop` removes an object.
///
/// # Errors
/// Fails if there is no such object or method, or if the method fails.
pub fn call(number: u64, method: &str, argument: &[u8], batch: Batch) -> Result<Vec<u8>> {
    match (number, method) {
        (0, "context") => {
            return Ok(add(Object::Context(Arc::new(TaskContext::open(text(argument)?)?))));
        }
        (0, "report") => {
            let report = DistributedReport::begin(&parse::<Vec<String>>(argument)?)?;
            return Ok(add(Object::Report(Box::new(report))));
        }
        (0, "report_context") => {
            return Ok(add(Object::ReportContext(ReportContext::open(text(argument)?)?)));
        }
        (0, "job") => {
            return Ok(add(Object::Job(Box::new(begin(parse(argument)?)?))));
        }
        (0, "file_requests") => return Ok(add(Object::Requests(Arc::default()))),
        (0, "manifest_files") => return json(&manifest_files(argument)?),
        (0, "log_names") => {
            let names: Vec<String> = parse(argument)?;
            return json(&names.into_iter().filter(|name| is_log_name(name)).collect::<Vec<_>>());
        }
        (_, "drop") => {
            let object = lock(&OBJECTS).remove(&number);
            drop(object);
            return Ok(Vec::new());
        }
        _ => {}
    }
    let object = lock(&OBJECTS).get(&number).cloned();
    let object = object.ok_or_else(|| Error::failed(format!("there is no object {number}")))?;
    let mut object = lock(&object);
    if let Some(Object::Requests(requests)) = object.as_ref() {
        // Several threads wait for requests at the same time.
        let requests = requests.clone();
        drop(object);
        return of_requests(&requests, method, argument);
    }
    let Some(current) = object.as_mut() else { return Err(Error::failed("the job has ended")) };
    match current {
        Object::Context(context) => of_context(context, method, argument),
        Object::Parse(task) => match method {
            "next" => next(task.next_rows()?, batch),
            _ => Err(failed(method)),
        },
        Object::Rows(rows) => match method {
            "next" => next(rows.pop_front(), batch),
            _ => Err(failed(method)),
        },
        Object::Dedupe(task, ready) => {
            of_task(task, ready, method, batch, |task, rows| task.push(rows), |task| task.finish())
        }
        Object::Sessions(task, ready) => {
            let push = |task: &mut Box<SessionsTask>, rows| task.push(rows).map(|()| None);
            of_task(task, ready, method, batch, push, |task| task.finish())
        }
        Object::ReportContext(context) => match method {
            "compute" => Ok(add(Object::Rows(VecDeque::from([context.compute(argument)?])))),
            "visitors" => Ok(add(Object::Visitors(Some(VisitorsTask::default()), VecDeque::new()))),
            _ => Err(failed(method)),
        },
        Object::Visitors(task, ready) => {
            let push = |task: &mut VisitorsTask, rows| {
                task.push(&rows);
                Ok(None)
            };
            of_task(task, ready, method, batch, push, VisitorsTask::finish)
        }
        Object::Report(_) if method == "finish" => {
            let Some(Object::Report(report)) = object.take() else { return Err(failed(method)) };
            Ok(report.finish()?.into_bytes())
        }
        Object::Report(report) => match method {
            "task_settings" => report.task_settings().map(String::into_bytes),
            "files" => json(&report.files()?),
            "add" => report.add(argument).map(|()| Vec::new()),
            "is_outdated" => json(&report.is_outdated()),
            _ => Err(failed(method)),
        },
        Object::Job(_) if matches!(method, "finish" | "abandon") => {
            let Some(Object::Job(job)) = object.take() else { return Err(failed(method)) };
            if method == "abandon" {
                job.abandon();
                return Ok(Vec::new());
            }
            let report = job.finish()?;
            json(&(report.summary, report.is_committed))
        }
        Object::Job(job) => of_job(job, method, argument),
        Object::Requests(_) => Err(failed(method)),
    }
}

fn begin(arguments: JobArguments) -> Result<Job> {
    let JobArguments { store, requests, inputs, listed, options, now, lock_timeout_seconds } = arguments;
    let lock_timeout = Duration::from_secs(lock_timeout_seconds);
    let requests = requests.map(|number| {
        let object = lock(&OBJECTS).get(&number).cloned();
        match object.as_deref().map(lock).as_deref() {
            Some(Some(Object::Requests(requests))) => Ok(requests.clone()),
            _ => Err(Error::failed(format!("the object {number} has no requests"))),
        }
    });
    Job::begin(JobRequest {
        store,
        requests: requests.transpose()?,
        inputs,
        listed,
        options,
        now,
        lock_timeout,
    })
}

fn of_requests(requests: &FileRequests, method: &str, argument: &[u8]) -> Result<Vec<u8>> {
    match method {
        "next" => Ok(requests.next(REQUEST_TIMEOUT).unwrap_or_default().into_bytes()),
        "finish" => {
            let (path, error): (String, Option<String>) = parse(argument)?;
            requests.finish(&path, error.map_or(Ok(()), Err));
            Ok(Vec::new())
        }
        "close" => {
            requests.close();
            Ok(Vec::new())
        }
        _ => Err(failed(method)),
    }
}

fn of_context(context: &Arc<TaskContext>, method: &str, argument: &[u8]) -> Result<Vec<u8>> {
    let is_sorted = argument == b"true";
    Ok(match method {
        "parse" => {
            let (file, path, name, original): (i32, PathBuf, String, Option<i64>) = parse(argument)?;
            let task = ParseTask::new(context.clone(), file, path, name);
            let task = match original {
                Some(modified) => task.with_original(modified),
                None => task,
            };
            add(Object::Parse(Box::new(task)))
        }
        "stored" => {
            let path: String = parse(argument)?;
            add(Object::Rows(stored_rows(context, &path)?.into()))
        }
        "stored_sessions" => {
            let stored: StoredSessions = parse(argument)?;
            add(Object::Rows(stored_sessions(context, &stored)?.into()))
        }
        "dedupe" => {
            let task = DedupeTask::new(context.clone(), is_sorted);
            add(Object::Dedupe(Some(Box::new(task)), VecDeque::new()))
        }
        "sessions" => {
            let task = SessionsTask::new(context.clone(), is_sorted);
            add(Object::Sessions(Some(Box::new(task)), VecDeque::new()))
        }
        "rewrite" => json(&rewrite(context, &parse::<Rewrite>(argument)?)?)?,
        _ => return Err(failed(method)),
    })
}

fn of_job(job: &mut Job, method: &str, argument: &[u8]) -> Result<Vec<u8>> {
    match method {
        "task_settings" => job.task_settings().map(String::into_bytes),
        "files" => {
            let files: Vec<_> = (0..).zip(job.files()).map(|(at, (path, name))| (at, path, name)).collect();
            json(&files)
        }
        "add_parsed" => job.add_parsed(argument).map(|()| Vec::new()),
        "stored_event_files" => json(&job.stored_event_files()),
        "listed_files" => json(&job.listed_files()),
        "task_files" => json(&job.task_files()?),
        "stored_session_files" => {
            let files = job.stored_session_files().into_iter();
            let files = files.map(|stored| (job.session_path(&stored).map(str::to_owned), stored));
            json(&files.collect::<Vec<_>>())
        }
        "add_written" => job.add_written(argument).map(|()| Vec::new()),
        "rewrites" => json(&job.rewrites()),
        "add_rewritten" => job.add_rewritten(argument).map(|()| Vec::new()),
        _ => Err(failed(method)),
    }
}

/// Runs a method of a task that receives rows until it is finished. `next` returns the rows that
/// `push` and `finish` have produced.
fn of_task<T>(
    task: &mut Option<T>,
    ready: &mut VecDeque<Rows>,
    method: &str,
    batch: Batch,
    push: impl FnOnce(&mut T, Rows) -> Result<Option<Rows>>,
    finish: impl FnOnce(T) -> Result<Rows>,
) -> Result<Vec<u8>> {
    match (method, task.as_mut()) {
        ("push", Some(task)) => {
            ready.extend(push(task, batch.take()?)?);
            Ok(Vec::new())
        }
        ("finish", _) => {
            if let Some(task) = task.take() {
                ready.push_back(finish(task)?);
            }
            Ok(Vec::new())
        }
        ("next", _) => next(ready.pop_front(), batch),
        _ => Err(failed(method)),
    }
}

/// Exports rows. Returns `1`, or nothing if there are no more.
fn next(rows: Option<Rows>, batch: Batch) -> Result<Vec<u8>> {
    let Some(rows) = rows else { return Ok(Vec::new()) };
    batch.fill(rows)?;
    Ok(b"1".to_vec())
}

fn failed(method: &str) -> Error {
    Error::failed(format!("the object has no method {method}, or has ended"))
}

fn text(argument: &[u8]) -> Result<&str> {
    std::str::from_utf8(argument).map_err(|e| Error::usage("an argument is not UTF-8").caused_by(e))
}

fn parse<T: DeserializeOwned>(argument: &[u8]) -> Result<T> {
    serde_json::from_slice(argument).map_err(|e| Error::usage("an argument is invalid").caused_by(e))
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| Error::failed("cannot encode a result as JSON").caused_by(e))
}
