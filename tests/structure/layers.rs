//! Tests that imports point one way, from the command line down to the model.

use std::collections::{BTreeMap, BTreeSet};

use crate::imports::imports;
use crate::source::{files, relative, root, source_files};

/// The layers from top to bottom. A module may import only from lower layers.
const LAYERS: &[&[&str]] = &[
    &["cli"],
    &["dashboard"],
    &["render"],
    &["distributed", "maintenance"],
    &["lint", "privacy", "report"],
    &["ingest"],
    &["identity", "config"],
    &["store"],
    &["daily_stats"],
    &["session"],
    &["enrich"],
    &["event"],
    &[
        "json",
        "settings",
        "allocator",
        "bloom",
        "decimal",
        "error",
        "interruption",
        "positional_read",
        "prehashed",
        "progress",
        "regular_file",
        "shell",
        "suggest",
        "threads",
        "time",
    ],
];

/// Maximum number of files in one folder, without subfolders.
const MAX_FILES_PER_FOLDER: usize = 16;

fn layer(module: &str) -> usize {
    LAYERS
        .iter()
        .position(|names| names.contains(&module))
        .unwrap_or_else(|| panic!("the module `{module}` has no layer: add it to LAYERS"))
}

#[test]
fn imports_point_to_lower_layers() {
    let base = LAYERS.len() - 1;
    let mut wrong = BTreeSet::new();
    for import in imports() {
        let (Some(from), Some(to)) = (import.from.first(), import.to.first()) else { continue };
        // A path that is not a module is an item of the crate root, such as `crate::Error`.
        if from == to || !is_module(to) {
            continue;
        }
        let (from_layer, to_layer) = (layer(from), layer(to));
        // The base modules are small and may use each other. Another test checks for cycles.
        if to_layer < from_layer || (to_layer == from_layer && from_layer != base) {
            wrong.insert(format!("{} uses {}", import.file, import.to.join("::")));
        }
    }
    assert!(wrong.is_empty(), "imports that point up:\n{}", list(&wrong));
}

fn is_module(name: &str) -> bool {
    root().join(format!("src/{name}.rs")).exists() || root().join(format!("src/{name}")).is_dir()
}

#[test]
fn every_module_has_one_layer() {
    let mut modules: BTreeSet<String> =
        source_files().iter().filter_map(|file| file.module.first().cloned()).collect();
    for name in LAYERS.iter().copied().flatten() {
        assert!(modules.remove(*name), "the layer of `{name}` has no module");
    }
    assert!(modules.is_empty(), "modules without a layer: {modules:?}");
}

#[test]
fn sibling_folders_have_no_import_cycles() {
    // For each folder, the imports between its direct subfolders and files.
    let mut graphs: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    let folders: BTreeSet<String> = source_files()
        .iter()
        .flat_map(|file| (1..file.module.len()).map(|n| file.module[..n].join("::")).collect::<Vec<_>>())
        .collect();
    for import in imports() {
        let shared = import.from.iter().zip(&import.to).take_while(|(a, b)| a == b).count();
        let (Some(from), Some(to)) = (import.from.get(shared), import.to.get(shared)) else { continue };
        let parent = import.from[..shared].join("::");
        let path = |name: &str| if parent.is_empty() { name.to_owned() } else { format!("{parent}::{name}") };
        // Only folders are checked. The imports of plain files may form cycles.
        if folders.contains(&path(from)) && folders.contains(&path(to)) {
            graphs.entry(parent.clone()).or_default().entry(from.clone()).or_default().insert(to.clone());
        }
    }
    for (parent, graph) in &graphs {
        if let Some(cycle) = cycle(graph) {
            panic!("folders of `{parent}` form an import cycle: {}", cycle.join(" → "));
        }
    }
}

/// Returns a cycle of a graph; `None` if the graph has no cycle.
fn cycle(graph: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn visit(
        graph: &BTreeMap<String, BTreeSet<String>>,
        node: &str,
        path: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> Option<Vec<String>> {
        if let Some(start) = path.iter().position(|seen| seen == node) {
            let mut cycle = path[start..].to_vec();
            cycle.push(node.to_owned());
            return Some(cycle);
        }
        if !done.contains(node) {
            path.push(node.to_owned());
            for next in graph.get(node).into_iter().flatten() {
                if let Some(cycle) = visit(graph, next, path, done) {
                    return Some(cycle);
                }
            }
            path.pop();
            done.insert(node.to_owned());
        }
        None
    }
    let mut done = BTreeSet::new();
    graph.keys().find_map(|node| visit(graph, node, &mut Vec::new(), &mut done))
}

#[test]
fn cycle_is_found_only_if_there_is_one() {
    let graph = |edges: &[(&str, &str)]| {
        let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in edges {
            graph.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        graph
    };
    assert_eq!(cycle(&graph(&[("a", "b"), ("b", "c"), ("a", "c")])), None);
    assert_eq!(cycle(&graph(&[("a", "b"), ("b", "c"), ("c", "b")])).unwrap(), ["b", "c", "b"]);
}

#[test]
fn only_the_store_uses_polars() {
    let outside: Vec<String> = source_files()
        .iter()
        .filter(|file| file.module.first().is_some_and(|top| top != "store"))
        .filter(|file| crate::source::code(&file.text).contains("polars"))
        .map(|file| file.path.clone())
        .collect();
    assert!(outside.is_empty(), "files outside src/store that use Polars: {outside:?}");
}

#[test]
fn folders_hold_few_files() {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for file in files("src", &["rs"]) {
        let folder = relative(file.parent().unwrap());
        *counts.entry(folder).or_default() += 1;
    }
    let full: BTreeSet<String> = counts
        .into_iter()
        .filter(|(_, count)| *count > MAX_FILES_PER_FOLDER)
        .map(|(folder, count)| format!("{folder}: {count} files"))
        .collect();
    assert!(full.is_empty(), "folders with more than {MAX_FILES_PER_FOLDER} files:\n{}", list(&full));
}

#[test]
fn event_line_passes_at_most_25_existing_files() {
    let page = std::fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let section = page.split("## Following one event line").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let named: Vec<&str> =
        section.split('`').skip(1).step_by(2).filter(|text| text.starts_with("src/")).collect();
    let missing: Vec<&&str> = named.iter().filter(|path| !root().join(path).exists()).collect();
    assert!(missing.is_empty(), "docs/architecture.md names files that do not exist: {missing:?}");
    let steps = section.lines().filter(|line| line.contains(". `src/")).count();
    assert!((10..=25).contains(&steps), "{steps} files");
}

fn list(lines: &BTreeSet<String>) -> String {
    lines.iter().map(|line| format!("  {line}\n")).collect()
}
