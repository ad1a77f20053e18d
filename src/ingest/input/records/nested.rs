//! Decides whether the values inside a wrapping are wrappings themselves.
//!
//! The keys of some shippers are so common (`message`, `date`) that other objects have them too.
//! Such an object resembles a wrapping whose text is not an event, and would be ignored. Values in
//! which a map finds nothing are therefore held back. If the map finds an event in a later value of
//! the file, they are ignored. Otherwise they are not wrappings, and are read or rejected like
//! other objects.

use super::Position;
use super::defaults::Given;
use crate::ingest::map::Map;
use crate::ingest::map::detect::EXAMINED;

/// The largest total size of the values that are held back for a map, in bytes.
const HELD_BYTES: usize = 1 << 20;

/// A value that is held back.
#[derive(Debug)]
pub struct HeldValue {
    /// Its text.
    pub text: String,
    /// The values that outer wrappings supply.
    pub given: Given,
    /// Its position.
    pub position: Position,
}

/// The maps of wrappings that matched values inside a wrapping.
#[derive(Debug, Default)]
pub struct NestedWrappings {
    maps: Vec<NestedWrapping>,
    /// Whether all values that resemble wrappings are unwrapped.
    all_confirmed: bool,
}

#[derive(Debug)]
struct NestedWrapping {
    sha256: String,
    /// Whether a value contained an event.
    is_confirmed: bool,
    held: Vec<HeldValue>,
    bytes: usize,
}

impl NestedWrappings {
    /// Unwraps all values that resemble wrappings from now on.
    pub fn confirm_all(&mut self) {
        self.all_confirmed = true;
    }

    /// Returns whether a value that the map matches contained an event.
    pub fn is_confirmed(&self, map: &Map) -> bool {
        self.all_confirmed || self.maps.iter().any(|known| known.is_confirmed && known.sha256 == map.sha256)
    }

    /// Records that a value contained an event. Returns the number of values that were held back,
    /// which are ignored.
    pub fn confirm(&mut self, map: &Map) -> u64 {
        let known = self.of_map(map);
        known.is_confirmed = true;
        std::mem::take(&mut known.held).len() as u64
    }

    /// Holds a value back that contained no event. Returns the values that are no wrappings,
    /// because there are too many of them.
    pub fn hold(&mut self, map: &Map, value: HeldValue) -> Vec<HeldValue> {
        let known = self.of_map(map);
        known.bytes += value.text.len();
        known.held.push(value);
        if known.held.len() < EXAMINED && known.bytes < HELD_BYTES {
            return Vec::new();
        }
        known.bytes = 0;
        std::mem::take(&mut known.held)
    }

    /// Returns the values that are still held back at the end of the file, in its order.
    pub fn finish(&mut self) -> Vec<HeldValue> {
        let mut held: Vec<HeldValue> =
            self.maps.iter_mut().flat_map(|known| std::mem::take(&mut known.held)).collect();
        held.sort_by_key(|value| value.position.offset);
        held
    }

    /// Returns whether values are held back.
    pub fn holds_values(&self) -> bool {
        self.maps.iter().any(|known| !known.held.is_empty())
    }

    fn of_map(&mut self, map: &Map) -> &mut NestedWrapping {
        let at = self.maps.iter().position(|known| known.sha256 == map.sha256).unwrap_or_else(|| {
            let (sha256, held) = (map.sha256.clone(), Vec::new());
            self.maps.push(NestedWrapping { sha256, is_confirmed: false, held, bytes: 0 });
            self.maps.len() - 1
        });
        &mut self.maps[at]
    }
}
