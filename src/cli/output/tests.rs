use super::*;
use std::sync::Arc;

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Buffer {
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

fn printer(quiet: bool) -> (Buffer, Buffer, Printer) {
    let (out, err) = (Buffer::default(), Buffer::default());
    let printer = Printer::with_streams(Box::new(out.clone()), Box::new(err.clone()), quiet);
    (out, err, printer)
}

#[test]
fn results_go_to_stdout_and_messages_to_stderr() {
    let (out, err, printer) = printer(false);
    printer.note("reading");
    printer.result("figures").unwrap();
    printer.summary("summary\n", false).unwrap();
    printer.warn("odd");
    assert_eq!(printer.finish(Ok(())), Ok(()));
    assert_eq!(out.text(), "figures\nsummary\n");
    assert_eq!(err.text(), "wa: reading\nwa: warning: odd\n");
}

#[test]
fn quiet_prints_only_results_after_success() {
    let (out, err, printer) = printer(true);
    printer.note("reading");
    printer.warn("odd");
    printer.summary("summary\n", false).unwrap();
    printer.summary("{}\n", true).unwrap();
    assert_eq!(printer.finish(Ok(())), Ok(()));
    assert_eq!((out.text().as_str(), err.text().as_str()), ("{}\n", ""));
}

#[test]
fn quiet_prints_deferred_texts_after_an_error() {
    let (out, err, printer) = printer(true);
    printer.note("reading");
    printer.error(&Error::failed("cannot read a.ndjson"));
    printer.summary("summary\n", false).unwrap();
    let outcome =
        printer.finish(Err(Error::new(crate::ErrorKind::PartialInput, "1 input was not read").hint("look")));
    assert_eq!(outcome, Err(ErrorKind::PartialInput));
    assert_eq!(out.text(), "summary\n");
    assert_eq!(
        err.text(),
        "wa: reading\nwa: error: cannot read a.ndjson\nwa: error: 1 input was not read\nhint: look\n"
    );
}

#[test]
fn quiet_prints_deferred_texts_that_need_attention() {
    let (out, err, printer) = printer(true);
    printer.warn("odd");
    printer.summary("summary\n", false).unwrap();
    printer.needs_attention();
    assert_eq!(printer.finish(Ok(())), Ok(()));
    assert_eq!((out.text().as_str(), err.text().as_str()), ("summary\n", "wa: warning: odd\n"));
}

#[test]
fn closed_pipe_is_not_an_error_but_full_disk_is() {
    let printer =
        Printer::with_streams(Box::new(Broken(io::ErrorKind::BrokenPipe)), Box::new(io::sink()), false);
    assert!(printer.result("x").is_ok());
    assert!(printer.is_pipe_closed());
    let printer =
        Printer::with_streams(Box::new(Broken(io::ErrorKind::StorageFull)), Box::new(io::sink()), false);
    let error = printer.result("x").unwrap_err();
    assert!(error.to_string().starts_with("cannot write to standard output"), "{error}");
}

#[test]
fn error_is_printed_with_control_characters_escaped() {
    let (_, err, printer) = printer(false);
    let _ = printer.finish(Err(Error::failed("cannot read \u{1b}]0;x\u{7}.ndjson")));
    assert_eq!(err.text(), "wa: error: cannot read \\u{1b}]0;x\\u{7}.ndjson\n");
}
