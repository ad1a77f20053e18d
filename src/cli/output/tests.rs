use super::*;
use std::sync::Arc;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

struct Broken(io::ErrorKind);

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn sinks(quiet: bool) -> (Sink, Sink, Io) {
    let (out, err) = (Sink::default(), Sink::default());
    let io = Io::to(Box::new(out.clone()), Box::new(err.clone()), quiet);
    (out, err, io)
}

#[test]
fn results_go_to_standard_output_and_all_else_to_standard_error() {
    let (out, err, io) = sinks(false);
    io.note("reading");
    io.result("figures").unwrap();
    io.account("account\n", false).unwrap();
    io.warn("odd");
    assert_eq!(io.finish(Ok(())), 0);
    assert_eq!(out.text(), "figures\naccount\n");
    assert_eq!(err.text(), "wa: reading\nwa: warning: odd\n");
}

#[test]
fn quiet_prints_nothing_but_results_when_all_went_well() {
    let (out, err, io) = sinks(true);
    io.note("reading");
    io.warn("odd");
    io.account("account\n", false).unwrap();
    io.account("{}\n", true).unwrap();
    assert_eq!(io.finish(Ok(())), 0);
    assert_eq!((out.text().as_str(), err.text().as_str()), ("{}\n", ""));
}

#[test]
fn quiet_tells_the_whole_story_when_it_did_not() {
    let (out, err, io) = sinks(true);
    io.note("reading");
    io.problem(&Error::failed("cannot read a.ndjson"));
    io.account("account\n", false).unwrap();
    let status = io.finish(Err(Error::new(crate::Kind::PartialInput, "1 input was not read").hint("look")));
    assert_eq!(status, 4);
    assert_eq!(out.text(), "account\n");
    assert_eq!(
        err.text(),
        "wa: reading\nwa: error: cannot read a.ndjson\nwa: error: 1 input was not read\nhint: look\n"
    );
}

#[test]
fn quiet_tells_the_whole_story_where_somebody_should_look() {
    let (out, err, io) = sinks(true);
    io.warn("odd");
    io.account("account\n", false).unwrap();
    io.needs_attention();
    assert_eq!(io.finish(Ok(())), 0);
    assert_eq!((out.text().as_str(), err.text().as_str()), ("account\n", "wa: warning: odd\n"));
}

#[test]
fn a_closed_pipe_is_no_error_and_a_full_disk_is() {
    let io = Io::to(Box::new(Broken(io::ErrorKind::BrokenPipe)), Box::new(io::sink()), false);
    assert!(io.result("x").is_ok());
    assert!(io.pipe_closed());
    let io = Io::to(Box::new(Broken(io::ErrorKind::StorageFull)), Box::new(io::sink()), false);
    let error = io.result("x").unwrap_err();
    assert!(error.to_string().starts_with("cannot write to standard output"), "{error}");
}

#[test]
fn a_failure_reaches_the_terminal_escaped() {
    let (_, err, io) = sinks(false);
    io.finish(Err(Error::failed("cannot read \u{1b}]0;x\u{7}.ndjson")));
    assert_eq!(err.text(), "wa: error: cannot read \\u{1b}]0;x\\u{7}.ndjson\n");
}
