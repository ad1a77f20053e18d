//! Places: country and city of an address, by a database in MaxMind's format.

#[cfg(test)]
pub(crate) mod tests;

use std::net::IpAddr;
use std::path::Path;

use maxminddb::{LookupResult, PathElement, Reader};

use crate::error::{Error, Result};

/// Where an address is, as far as the database says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocationLookup {
    /// Two letters of ISO 3166-1.
    pub country_code: Option<String>,
    /// The city's name, in English where the database has it so.
    pub city: Option<String>,
}

/// How many records are looked at to see whether a database holds places at all.
const PROBED: usize = 2000;

/// Languages of a city's name, the best first.
const LANGUAGES: [&str; 8] = ["en", "de", "fr", "es", "pt-BR", "ru", "ja", "zh-CN"];

/// A database of places, held in memory.
pub(super) struct Places {
    reader: Reader<Vec<u8>>,
}

impl Places {
    /// Opens a database and looks into it, so that a wrong file is known before any event is read.
    pub fn open(path: &Path) -> Result<Places> {
        let hint = "name a database in MaxMind's format (.mmdb) with countries or cities, or leave it out";
        let bytes =
            std::fs::read(path).map_err(|cause| Error::io("read the database of places", path, cause))?;
        let broken = |cause| {
            Error::failed(format!("{} is no database of places in MaxMind's format", path.display()))
                .caused_by(cause)
                .hint(hint)
        };
        let reader = Reader::from_source(bytes).map_err(broken)?;
        let places = Places { reader };
        match places.holds_places() {
            Ok(true) => Ok(places),
            Ok(false) => Err(Error::failed(format!(
                "{} holds neither countries nor cities, but {}",
                path.display(),
                places.reader.metadata().database_type.escape_debug(),
            ))
            .hint(hint)),
            Err(cause) => Err(broken(cause)),
        }
    }

    /// Returns where an address is; `None` for private addresses and those not in the database.
    pub fn place(&self, ip: IpAddr) -> Option<LocationLookup> {
        let ip = ip.to_canonical();
        if is_private(ip) {
            return None;
        }
        // A database of IPv4 addresses answers for IPv6 with an error: nothing is known there.
        let found = read(&self.reader.lookup(ip).ok()?);
        (found != LocationLookup::default()).then_some(found)
    }

    /// Tells whether any of the first records is a place's.
    fn holds_places(&self) -> Result<bool, maxminddb::MaxMindDbError> {
        let mut seen = false;
        for record in self.reader.networks(Default::default())?.take(PROBED) {
            seen = true;
            if read(&record?) != LocationLookup::default() {
                return Ok(true);
            }
        }
        Ok(!seen)
    }
}

/// Reads a record, nested (`country.iso_code`, `city.names.en`) or flat (`country_code`, `city`).
fn read(record: &LookupResult<'_, Vec<u8>>) -> LocationLookup {
    let text = |path: &[&str]| {
        let path: Vec<PathElement<'_>> = path.iter().map(|key| PathElement::Key(key)).collect();
        // A field of another type is as good as none.
        record.decode_path::<&str>(&path).ok().flatten().map(str::trim).filter(|text| !text.is_empty())
    };
    let country =
        text(&["country", "iso_code"]).or_else(|| text(&["country_code"])).or_else(|| text(&["country"]));
    let city = LANGUAGES
        .iter()
        .find_map(|language| text(&["city", "names", language]))
        .or_else(|| text(&["city"]))
        .or_else(|| text(&["city_name"]));
    LocationLookup {
        country_code: country.filter(|code| is_code(code)).map(str::to_ascii_uppercase),
        city: city.filter(|city| *city != "-").map(str::to_owned),
    }
}

/// Tells whether a text is a country's code; `ZZ` and `XX` stand for none.
fn is_code(text: &str) -> bool {
    text.len() == 2
        && text.bytes().all(|b| b.is_ascii_alphabetic())
        && !matches!(text.to_ascii_uppercase().as_str(), "ZZ" | "XX")
}

/// Tells whether an address is nobody's on the internet: private, local, shared or reserved.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_broadcast()
                || a == 0
                || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(ip) => {
            ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local()
        }
    }
}
