//! Tags events with the number of their name or page.

use std::sync::{Mutex, PoisonError};

use hashbrown::HashMap;

use super::PathsOptions;
use super::walk::ANCHOR;
use crate::enrich::url;
use crate::error::Result;
use crate::report::query::view_cache::{NULL_TOKEN, ViewCache};
use crate::report::sequence::event_pattern::EventPattern;
use crate::report::sequence::{BoundTags, EventTags};
use crate::store::frame::Frame;

/// The names of all events or pages, by number. The numbers depend on the order of reading.
pub(super) struct PathTags {
    by_page: bool,
    anchor: Option<EventPattern>,
    numbers: Mutex<HashMap<String, u32>>,
}

impl PathTags {
    pub fn new(options: &PathsOptions) -> PathTags {
        let anchor = options.end.clone().or(options.start.clone());
        PathTags { by_page: options.by_page, anchor, numbers: Mutex::default() }
    }

    /// Returns the names, by number.
    pub fn into_names(self) -> Vec<String> {
        let numbers = self.numbers.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut names = vec![String::new(); numbers.len()];
        for (name, number) in numbers {
            if let Some(slot) = names.get_mut(number as usize) {
                *slot = name;
            }
        }
        names
    }

    /// Returns the tag of a name.
    fn tag(&self, name: &str) -> u32 {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        let next = numbers.len() as u32;
        let number = *numbers.entry_ref(name).or_insert(next);
        let is_anchor = self.anchor.as_ref().is_none_or(|anchor| anchor.matches_name(name));
        number | if is_anchor { ANCHOR } else { 0 }
    }
}

impl EventTags for PathTags {
    fn columns(&self) -> Vec<&'static str> {
        vec![if self.by_page { "page_url" } else { "event_name" }]
    }

    fn bind<'f>(&'f self, frame: &'f Frame) -> Result<BoundTags<'f>> {
        let names = frame.texts(if self.by_page { "page_url" } else { "event_name" })?;
        let mut cache: ViewCache<Option<u32>> = ViewCache::new(None);
        Ok(Box::new(move |row| {
            cache.get(names.token(row).unwrap_or(NULL_TOKEN), || {
                let name = names.get(row)?;
                Some(self.tag(if self.by_page { url::path(name)? } else { name }))
            })
        }))
    }
}
