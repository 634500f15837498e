//! The documentation: links resolve, the README stays short, and no page has a path of a developer's machine.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Limit of the lines of the README.
const README_LINES: usize = 120;
/// Paths that exist only on the machine of a developer.
const PRIVATE_PATHS: [&str; 4] = ["/work", "/tmp", "/root", "/home"];

struct Page {
    path: PathBuf,
    text: String,
}

impl Page {
    fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).unwrap();
        Self { path, text }
    }

    fn name(&self) -> String {
        self.path.strip_prefix(root()).unwrap().display().to_string()
    }

    /// Returns the lines outside code blocks.
    fn prose(&self) -> Vec<&str> {
        let mut in_code = false;
        let mut prose = Vec::new();
        for line in self.text.lines() {
            let is_fence = line.trim_start().starts_with("```");
            if !is_fence && !in_code {
                prose.push(line);
            }
            in_code ^= is_fence;
        }
        prose
    }

    /// Returns the targets of links and pictures.
    fn links(&self) -> Vec<String> {
        let prose = self.prose().join("\n");
        let ends = |text: &str, end: char| text.split(end).next().unwrap().to_owned();
        let written = prose
            .match_indices("](")
            .map(|(at, _)| ends(&prose[at + 2..], ')'));
        let attributes = ["src=\"", "srcset=\"", "href=\""];
        let in_html = attributes.iter().flat_map(|attribute| {
            let found = prose.match_indices(attribute);
            found.map(|(at, _)| ends(&prose[at + attribute.len()..], '"'))
        });
        written.chain(in_html).collect()
    }

    /// Returns the anchors that GitHub creates for the headings.
    fn anchors(&self) -> BTreeSet<String> {
        let headings = self.prose().into_iter().filter(|line| line.starts_with('#'));
        headings
            .map(|heading| {
                let text = heading.trim_start_matches('#').trim().to_lowercase();
                let kept = text.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
                kept.collect::<String>().replace(' ', "-")
            })
            .collect()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Reads README, CONTRIBUTING, CHANGELOG and every page of `docs`.
fn pages() -> Vec<Page> {
    let mut paths: Vec<PathBuf> = fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "docs has no pages");
    paths.extend(["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root().join(name)));
    paths.into_iter().map(Page::read).collect()
}

/// Returns an error message if a link of a page does not resolve.
fn broken(page: &Page, link: &str) -> Option<String> {
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = if path.is_empty() {
        page.path.clone()
    } else {
        page.path.parent().unwrap().join(path)
    };
    if !target.exists() {
        return Some(format!("{}: {link}: there is no such file", page.name()));
    }
    let has_anchor = anchor.is_empty() || Page::read(target).anchors().contains(anchor);
    (!has_anchor).then(|| format!("{}: {link}: there is no such heading", page.name()))
}

#[test]
fn every_relative_link_resolves() {
    let mut checked = 0;
    let mut all_broken = Vec::new();
    for page in pages() {
        let links = page.links();
        for link in links.iter().filter(|link| !link.contains("://")) {
            checked += 1;
            all_broken.extend(broken(&page, link));
        }
    }
    assert!(all_broken.is_empty(), "{all_broken:#?}");
    assert!(checked > 20, "{checked} links were checked");
}

#[test]
fn the_readme_is_short_and_leads_to_every_page() {
    let readme = Page::read(root().join("README.md"));
    let lines = readme.text.lines().count();
    assert!(lines < README_LINES, "README.md has {lines} lines");
    let links = readme.links();
    for page in pages().iter().filter(|page| page.name().starts_with("docs/")) {
        let name = page.name();
        assert!(links.contains(&name), "README.md does not link to {name}");
    }
}

/// Returns whether a line contains the absolute path, and not only as part of a longer path.
fn names(line: &str, path: &str) -> bool {
    let continues = |c: char| c.is_alphanumeric() || "/._-".contains(c);
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + path.len()..].chars().next();
        !before.is_some_and(continues) && !after.is_some_and(char::is_alphanumeric)
    })
}

#[test]
fn no_page_contains_a_path_of_a_developers_machine() {
    for page in pages() {
        for (number, line) in page.text.lines().enumerate() {
            let private = PRIVATE_PATHS.iter().find(|path| names(line, path));
            assert_eq!(private, None, "{}:{}", page.name(), number + 1);
        }
    }
}

#[test]
fn every_command_that_a_page_shows_exists() {
    let help = crate::support::process::Program::new().run(&["--help"]).out;
    let list = help
        .split("Commands:")
        .nth(1)
        .unwrap()
        .split("\n\n")
        .next()
        .unwrap();
    let known: BTreeSet<&str> = list
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let is_word = |c: char| c.is_ascii_lowercase() || c == '-';
    let mut checked = 0;
    for page in pages() {
        for (at, name) in page.text.match_indices("drift-inbox ") {
            let rest = &page.text[at + name.len()..];
            let command = rest.split(|c| !is_word(c)).next().unwrap();
            if !command.is_empty() && !command.starts_with('-') {
                checked += 1;
                assert!(known.contains(command), "{}: drift-inbox {command}", page.name());
            }
        }
    }
    assert!(checked > 20, "{checked} commands were checked");
}
