//! Records that were extracted from wrappings, or from a list that spans lines.

use super::super::block_parser::BlockLines;
use super::super::line_fields::LineFields;
use super::super::rejected::RejectReason;
use super::RecordPlace;
use super::rows::Groups;
use crate::ingest::input::blocks::LINE_LIMIT;
use crate::ingest::input::records::Prepared;
use crate::ingest::map::Map;
use crate::json::Span;

impl BlockLines<'_, '_> {
    /// Parses the records of a block. `map` reads the records for which no map is set.
    pub(super) fn run_prepared(&mut self, records: &[Prepared], map: Option<&Map>) {
        let file_map = self.record.map.clone();
        let mut groups: Option<(&Map, Groups<'_>)> = None;
        for record in records {
            let start = record.start as usize;
            let place = RecordPlace::new(record.line, start, start + record.len as usize);
            self.begin_record(Some(record.offset));
            self.record.defaults = record.defaults.map(|(start, len)| self.defaults(start, len));
            self.record.given = record.defaults.map(|(start, len)| Span { start, len });
            self.select_given(self.record.given);
            self.record.map.clone_from(if record.map.is_some() { &record.map } else { &file_map });
            match record.map.as_deref().or(map) {
                None => self.native_record(place),
                Some(map) => match &map.pattern {
                    Some(pattern) if !self.is_json(place) => {
                        // Most records of a block have the same map.
                        let of_map = groups.take().filter(|(of, _)| std::ptr::eq(*of, map));
                        let (_, of_map) = groups.insert(
                            of_map.unwrap_or_else(|| (map, Groups::new(map, pattern, &mut self.rows))),
                        );
                        self.text_line(map, of_map, place);
                    }
                    _ => self.json_line(map, place),
                },
            }
            self.emit_if_full();
        }
        self.record.defaults = None;
        self.select_given(None);
        self.reject_unparsed_lines();
    }

    fn is_json(&self, place: RecordPlace) -> bool {
        matches!(self.scanner.at(place.start), b'{' | b'[')
    }

    /// Reads the columns that a wrapping supplies.
    fn defaults(&mut self, start: u32, len: u32) -> Box<LineFields> {
        let mut fields = Box::<LineFields>::default();
        let (text, end) = (self.text, start + len);
        let _ = self.scanner.object(start as usize, |member| {
            if member.value.end <= end {
                fields.insert(text, member);
            }
        });
        fields
    }

    fn native_record(&mut self, place: RecordPlace) {
        let RecordPlace { line, start, end, .. } = place;
        if !self.selects_record(start, end) {
            return;
        }
        let scanned = self.scan_object(start).filter(|(_, end, _)| *end == place.end);
        let reason = match scanned {
            _ if end - start > LINE_LIMIT => RejectReason::LineTooLong,
            Some((start, end, after)) => {
                let object = Span { start: start as u32, len: (end - start) as u32 };
                return self.parse_object(line, start, object, after);
            }
            // Extracted records are valid JSON, so this one is a value other than an object.
            None => RejectReason::NotAnObject,
        };
        self.line.clear();
        self.counts.read += 1;
        self.reject(line, reason, None, start, end, None);
    }
}
