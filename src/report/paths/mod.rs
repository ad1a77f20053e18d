//! `paths`: the most frequent sequences of events or pages.

mod tags;
mod walk;

use std::collections::BTreeMap;

use hashbrown::HashMap;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::answer::rows::{Group, Row, RowList, rows};
use super::answer::{Report, ReportBody, ReportHead, diagnostics};
use super::metric::values::Percent;
use super::metric::{AsMetric, Unit};
use super::query::session_keys::NoValues;
use super::query::tables::Tables;
use super::query::{Query, pruned};
use super::sequence::event_pattern::EventPattern;
use super::sequence::{
    Folded, SequenceEvent, SequenceFold, SessionGroups, fold_groups, fold_sessions, on_pruned_events,
    results_differ,
};
use crate::error::Result;
use tags::PathTags;

/// The maximum number of steps.
pub const MAX_STEPS: usize = 20;

/// The options of `paths`.
#[derive(Clone, Debug)]
pub struct PathsOptions {
    /// Whether the steps are pages instead of events.
    pub by_page: bool,
    /// The number of steps.
    pub steps: usize,
    /// The event or page at which paths start; `None` for the start of the session.
    pub start: Option<EventPattern>,
    /// The event or page at which paths end; `None` if paths have no given end.
    pub end: Option<EventPattern>,
}

impl Default for PathsOptions {
    fn default() -> PathsOptions {
        PathsOptions { by_page: false, steps: 5, start: None, end: None }
    }
}

/// A path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The names of the steps.
    pub steps: Vec<String>,
    /// The steps, joined by arrows.
    text: String,
    /// The number of sessions.
    pub count: u64,
    /// Their share of all sessions with a path.
    pub share: Percent,
}

impl Row for Path {
    const DIMENSIONS: &'static [&'static str] = &["path"];
    const METRICS: &'static [(&'static str, Unit)] = &[("count", Unit::Count), ("share", Unit::Percent)];

    fn dimensions(&self) -> Vec<&str> {
        vec![&self.text]
    }

    fn metrics(&self) -> Vec<Option<i64>> {
        vec![self.count.value(), self.share.value()]
    }
}

impl Serialize for Path {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("steps", &self.steps)?;
        map.serialize_entry("count", &self.count)?;
        map.serialize_entry("share", &self.share)?;
        map.end()
    }
}

rows! {
    /// A node of the tree of all listed paths.
    TreeNode {
        dimensions {
            /// The name of the step, indented by one mark for each earlier step.
            path = "path",
        }
        metrics {
            /// The number of sessions whose path begins with the steps up to this one.
            count: u64,
            /// Their share of all sessions with a path.
            share: Percent,
        }
    }
}

/// The body of `paths`.
#[derive(Clone, Debug, Serialize)]
pub struct Paths {
    /// The number of sessions with a path.
    pub sessions: u64,
    /// The paths, most frequent first.
    pub paths: RowList<Path>,
    /// The listed paths as a tree, for formats that people read.
    #[serde(skip)]
    tree: RowList<TreeNode>,
}

impl ReportBody for Paths {
    const NAME: &'static str = "paths";

    fn totals(&self) -> Option<Group<'static>> {
        Some(Group::totals(Self::NAME, &[("sessions", Unit::Count)], vec![self.sessions.value()]))
    }

    fn groups(&self) -> Vec<Group<'_>> {
        vec![Group::list("tree", &self.tree).with_bar("count"), Group::list("paths", &self.paths)]
    }
}

/// Computes `paths` with at most `limit` paths.
pub(crate) fn paths(
    tables: &dyn Tables,
    query: &Query,
    options: &PathsOptions,
    limit: Option<usize>,
) -> Result<Report<Paths>> {
    let tags = PathTags::new(options);
    let folded = fold_sessions(tables, query, &NoValues, &tags, &PathFold::new(options))?;
    report(tables, query, folded, &tags.into_names(), limit)
}

/// Computes `paths` for each group of a breakdown, and for all sessions at the end. Returns `None`
/// in the same cases as [`fold_groups`].
pub(crate) fn paths_by_group(
    groups: &SessionGroups<'_>,
    query: &Query,
    options: &PathsOptions,
    limit: Option<usize>,
) -> Result<Option<Vec<Report<Paths>>>> {
    let tags = PathTags::new(options);
    let fold = PathFold::new(options);
    let Some(folded) = fold_groups(groups, query, &NoValues, &tags, &fold)? else { return Ok(None) };
    let names = tags.into_names();
    groups.reports(folded, |tables, folded| report(tables, query, folded, &names, limit)).map(Some)
}

fn report(
    tables: &dyn Tables,
    query: &Query,
    folded: Folded<PathCounts>,
    names: &[String],
    limit: Option<usize>,
) -> Result<Report<Paths>> {
    let body = body(folded.sum, names, limit);
    let mut report = Report::new(ReportHead::new(tables, query, folded.bots), body);
    report.notes = diagnostics::on_window(tables, query, folded.sessions == 0, folded.bots)?;
    report.notes.extend(diagnostics::on_pruned_sessions(pruned::in_window(tables, query)?));
    report.notes.extend(on_pruned_events(tables, query));
    Ok(report)
}

fn body(counts: PathCounts, names: &[String], limit: Option<usize>) -> Paths {
    let sessions: u64 = counts.values().sum();
    let name = |tag: &u32| match *tag {
        walk::START => "(start)".to_owned(),
        walk::END => "(end)".to_owned(),
        tag => names.get(tag as usize).cloned().unwrap_or_default(),
    };
    let path = |(tags, count): (Vec<u32>, u64)| {
        let steps: Vec<String> = tags.iter().map(name).collect();
        Path { text: steps.join(" → "), steps, count, share: Percent::from_parts(count, sessions) }
    };
    let mut all: Vec<Path> = counts.into_iter().map(path).collect();
    all.sort_unstable_by(|a, b| b.count.cmp(&a.count).then_with(|| a.steps.cmp(&b.steps)));
    let tree = tree(&all, limit, sessions);
    let paths = RowList::limited(all, limit, |hidden| {
        let count = hidden.iter().map(|path| path.count).sum();
        Path { steps: Vec::new(), text: String::new(), count, share: Percent::from_parts(count, sessions) }
    });
    Paths { sessions, paths, tree: RowList::complete(tree) }
}

/// Returns the tree of the first `limit` paths, each node before its children. Counts include the
/// other paths.
fn tree(paths: &[Path], limit: Option<usize>, sessions: u64) -> Vec<TreeNode> {
    let mut counts: BTreeMap<&[String], u64> = BTreeMap::new();
    for path in paths {
        for length in 1..=path.steps.len() {
            *counts.entry(path.steps.get(..length).unwrap_or_default()).or_default() += path.count;
        }
    }
    let mut shown: BTreeMap<&[String], u64> = BTreeMap::new();
    for path in paths.iter().take(limit.unwrap_or(usize::MAX)) {
        for length in 1..=path.steps.len() {
            let prefix = path.steps.get(..length).unwrap_or_default();
            shown.insert(prefix, counts.get(prefix).copied().unwrap_or(0));
        }
    }
    // Orders siblings by count and name. The sort key of a node has the count and name of each node
    // from the root to it.
    let order = |prefix: &[String]| -> Vec<(std::cmp::Reverse<u64>, String)> {
        let way = (1..=prefix.len()).map(|length| prefix.get(..length).unwrap_or_default());
        way.map(|way| {
            let count = counts.get(way).copied().unwrap_or(0);
            (std::cmp::Reverse(count), way.last().cloned().unwrap_or_default())
        })
        .collect()
    };
    let mut nodes: Vec<(&[String], u64)> = shown.into_iter().collect();
    nodes.sort_by_cached_key(|(prefix, _)| order(prefix));
    let node = |(prefix, count): (&[String], u64)| {
        let marks = "· ".repeat(prefix.len().saturating_sub(1));
        let name = prefix.last().map_or("", String::as_str);
        TreeNode { path: format!("{marks}{name}"), count, share: Percent::from_parts(count, sessions) }
    };
    nodes.into_iter().map(node).collect()
}

/// The number of sessions by path.
type PathCounts = HashMap<Vec<u32>, u64>;

/// Counts paths.
struct PathFold {
    steps: usize,
    /// Whether paths end at the first anchor instead of starting there.
    ends: bool,
}

impl PathFold {
    fn new(options: &PathsOptions) -> PathFold {
        PathFold { steps: options.steps.clamp(1, MAX_STEPS), ends: options.end.is_some() }
    }

    /// Returns the path of a sequence; `None` without an anchor.
    fn path(&self, events: &[SequenceEvent]) -> Option<Vec<u32>> {
        let tags = events.iter().map(|event| event.tag);
        if self.ends { walk::to_anchor(tags, self.steps) } else { walk::from_anchor(tags, self.steps) }
    }
}

impl<S> SequenceFold<S> for PathFold {
    type Sum = PathCounts;

    fn empty(&self) -> Self::Sum {
        HashMap::new()
    }

    fn add(&self, counts: &mut Self::Sum, _: &S, events: &[SequenceEvent]) {
        if let Some(path) = self.path(events) {
            *counts.entry(path).or_default() += 1;
        }
    }

    fn depends_on_ties(&self, events: &[SequenceEvent]) -> bool {
        results_differ(events, |events| self.path(events))
    }

    fn merge(&self, counts: Self::Sum, other: Self::Sum) -> Self::Sum {
        if counts.len() < other.len() {
            return SequenceFold::<S>::merge(self, other, counts);
        }
        let mut counts = counts;
        for (path, count) in other {
            *counts.entry(path).or_default() += count;
        }
        counts
    }
}
