//! Country and city of an IP address, from a database in MaxMind's format.

#[cfg(test)]
pub(crate) mod tests;

use std::borrow::Cow;
use std::net::IpAddr;
use std::path::Path;

use maxminddb::{LookupResult, PathElement, Reader};

use super::country::country_code;
use crate::error::{Error, Result};
use crate::positional_read::read_full_at;
use crate::regular_file;

/// The location of an IP address in the database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocationLookup {
    /// The country code (ISO 3166-1 alpha-2).
    pub country_code: Option<String>,
    /// The name of the city, in English if available.
    pub city: Option<String>,
}

/// Number of records that are checked to decide whether a database contains locations.
const PROBED_RECORDS: usize = 2000;

/// Maximum size of a database in bytes. Pointers of the format cannot address more.
const MAX_FILE: u64 = 4 << 30;
/// The metadata begins with these bytes, in the last `METADATA_SPAN` bytes of a database.
const METADATA_START: &[u8] = b"\xab\xcd\xefMaxMind.com";
const METADATA_SPAN: u64 = 128 << 10;

/// Languages of city names, in order of preference.
const LANGUAGES: [&str; 8] = ["en", "de", "fr", "es", "pt-BR", "ru", "ja", "zh-CN"];

/// A location database, loaded into memory.
pub(super) struct LocationDatabase {
    reader: Reader<Vec<u8>>,
}

impl LocationDatabase {
    /// Loads a database and checks that it contains locations, so that a wrong file is rejected
    /// before any event is read.
    ///
    /// # Errors
    /// Fails if the file cannot be read, is not in MaxMind's format or contains no locations.
    pub fn open(path: &Path) -> Result<LocationDatabase> {
        let hint =
            "use a database in MaxMind's format (.mmdb) with countries or cities, or remove the option";
        let unreadable = |cause| Error::io("read the location database", path, cause);
        if !has_metadata(path).map_err(unreadable)? {
            let message = format!("{} is not a location database in MaxMind's format", path.display());
            return Err(Error::failed(message).caused_by("it has no metadata").hint(hint));
        }
        let bytes = regular_file::read(path, MAX_FILE).map_err(unreadable)?;
        let broken = |cause| {
            Error::failed(format!("{} is not a location database in MaxMind's format", path.display()))
                .caused_by(cause)
                .hint(hint)
        };
        let reader = Reader::from_source(bytes).map_err(broken)?;
        let database = LocationDatabase { reader };
        match database.holds_locations() {
            Ok(true) => Ok(database),
            Ok(false) => Err(Error::failed(format!(
                "{} holds neither countries nor cities: its type is {}",
                path.display(),
                database.reader.metadata().database_type.escape_debug(),
            ))
            .hint(hint)),
            Err(cause) => Err(broken(cause)),
        }
    }

    /// Returns the location of an IP address; `None` if it is private or not in the database.
    pub fn find(&self, ip: IpAddr) -> Option<LocationLookup> {
        let ip = ip.to_canonical();
        if is_private(ip) {
            return None;
        }
        // An IPv4 database returns an error for an IPv6 address, which then has no location.
        let found = read(&self.reader.lookup(ip).ok()?);
        (found != LocationLookup::default()).then_some(found)
    }

    /// Returns whether any of the first records has a location, or the database is empty.
    fn holds_locations(&self) -> Result<bool, maxminddb::MaxMindDbError> {
        let mut seen = false;
        for record in self.reader.networks(Default::default())?.take(PROBED_RECORDS) {
            seen = true;
            if read(&record?) != LocationLookup::default() {
                return Ok(true);
            }
        }
        Ok(!seen)
    }
}

/// Returns whether a file has the metadata of a database. Checking this first avoids loading a
/// large file of another format.
fn has_metadata(path: &Path) -> std::io::Result<bool> {
    let file = regular_file::open(path)?;
    let length = file.metadata()?.len();
    let mut end = vec![0; length.min(METADATA_SPAN) as usize];
    let read = read_full_at(&file, &mut end, length.saturating_sub(METADATA_SPAN))?;
    end.truncate(read);
    Ok(memchr::memmem::find(&end, METADATA_START).is_some())
}

/// Decodes a record, nested (`country.iso_code`, `city.names.en`) or flat (`country_code`, `city`).
fn read(record: &LookupResult<'_, Vec<u8>>) -> LocationLookup {
    let text = |path: &[&str]| {
        let path: Vec<PathElement<'_>> = path.iter().map(|key| PathElement::Key(key)).collect();
        // A field that is not a string counts as missing.
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
        country_code: country.and_then(country_code).map(Cow::into_owned),
        city: city.filter(|city| *city != "-").map(str::to_owned),
    }
}

/// Returns whether an IP address is private, local, shared or reserved. Such an IP address has no
/// location.
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
