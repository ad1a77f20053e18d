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

fn sinks(quiet: bool) -> (Sink, Sink, Printer) {
    let (out, err) = (Sink::default(), Sink::default());
    let printer = Printer::with_streams(Box::new(out.clone()), Box::new(err.clone()), quiet);
    (out, err, printer)
}

#[test]
fn results_go_to_standard_output_and_all_else_to_standard_error() {
    let (out, err, printer) = sinks(false);
    printer.note("reading");
    printer.result("figures").unwrap();
    printer.summary("account\n", false).unwrap();
    printer.warn("odd");
    assert_eq!(printer.finish(Ok(())), Ok(()));
    assert_eq!(out.text(), "figures\naccount\n");
    assert_eq!(err.text(), "wa: reading\nwa: warning: odd\n");
}

#[test]
fn quiet_prints_nothing_but_results_when_all_went_well() {
    let (out, err, printer) = sinks(true);
    printer.note("reading");
    printer.warn("odd");
    printer.summary("account\n", false).unwrap();
    printer.summary("{}\n", true).unwrap();
    assert_eq!(printer.finish(Ok(())), Ok(()));
    assert_eq!((out.text().as_str(), err.text().as_str()), ("{}\n", ""));
}

#[test]
fn quiet_tells_the_whole_story_when_it_did_not() {
    let (out, err, printer) = sinks(true);
    printer.note("reading");
    printer.error(&Error::failed("cannot read a.ndjson"));
    printer.summary("account\n", false).unwrap();
    let outcome =
        printer.finish(Err(Error::new(crate::ErrorKind::PartialInput, "1 input was not read").hint("look")));
    assert_eq!(outcome, Err(ErrorKind::PartialInput));
    assert_eq!(out.text(), "account\n");
    assert_eq!(
        err.text(),
        "wa: reading\nwa: error: cannot read a.ndjson\nwa: error: 1 input was not read\nhint: look\n"
    );
}

#[test]
fn quiet_tells_the_whole_story_where_somebody_should_look() {
    let (out, err, printer) = sinks(true);
    printer.warn("odd");
    printer.summary("account\n", false).unwrap();
    printer.needs_attention();
    assert_eq!(printer.finish(Ok(())), Ok(()));
    assert_eq!((out.text().as_str(), err.text().as_str()), ("account\n", "wa: warning: odd\n"));
}

#[test]
fn a_closed_pipe_is_no_error_and_a_full_disk_is() {
    let printer =
        Printer::with_streams(Box::new(Broken(io::ErrorKind::BrokenPipe)), Box::new(io::sink()), false);
    assert!(printer.result("x").is_ok());
    assert!(printer.pipe_closed());
    let printer =
        Printer::with_streams(Box::new(Broken(io::ErrorKind::StorageFull)), Box::new(io::sink()), false);
    let error = printer.result("x").unwrap_err();
    assert!(error.to_string().starts_with("cannot write to standard output"), "{error}");
}

#[test]
fn a_failure_reaches_the_terminal_escaped() {
    let (_, err, printer) = sinks(false);
    let _ = printer.finish(Err(Error::failed("cannot read \u{1b}]0;x\u{7}.ndjson")));
    assert_eq!(err.text(), "wa: error: cannot read \\u{1b}]0;x\\u{7}.ndjson\n");
}
