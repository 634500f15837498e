//! The tables of `docs/settings.md` agree with the settings of the program.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::support::process::Program;

/// Commands that have settings.
const COMMANDS: [&str; 8] = [
    "serve",
    "demo",
    "sync",
    "detect",
    "import-terraform",
    "purge",
    "token",
    "migrate",
];
/// Variables that are not secrets and have no flag.
const NO_FLAG: [&str; 1] = ["RUST_LOG"];

/// A setting: the heading above it, its flag, if it has one, and its default.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Setting {
    heading: String,
    flag: Option<String>,
    default: Option<String>,
}

/// Removes backquotes and double quotes.
fn plain(text: &str) -> String {
    text.replace(['`', '"'], "").trim().to_owned()
}

/// Returns the text after `[name: ` up to the closing bracket.
fn bracket(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("[{name}: "))?;
    Some(plain(rest.split_once(']')?.0))
}

/// Splits the help text of a command into its flags, each with its heading.
fn flags_of(help: &str) -> Vec<(String, String)> {
    let mut flags: Vec<(String, String)> = Vec::new();
    let mut heading = String::new();
    let mut in_flag = false;
    for line in help.lines() {
        if let Some(name) = line.strip_suffix(':').filter(|name| !name.starts_with(' ')) {
            heading = name.to_owned();
        }
        let text = line.trim();
        if text.starts_with("--") || text.starts_with('-') {
            flags.push((heading.clone(), text.to_owned()));
            in_flag = true;
        } else if text.is_empty() || !line.starts_with(' ') {
            in_flag = false;
        } else if in_flag && let Some((_, flag)) = flags.last_mut() {
            flag.push(' ');
            flag.push_str(text);
        }
    }
    flags
}

/// Reads the settings from the help of the program, by variable. Checks that a setting is the same in all commands.
fn of_the_program() -> BTreeMap<String, Setting> {
    let mut settings = BTreeMap::new();
    for command in COMMANDS {
        let ended = Program::new().run(&[command, "-h"]);
        assert_eq!(ended.code, Some(0), "{command}: {}", ended.output());
        for (heading, text) in flags_of(&ended.out) {
            let Some(variable) = bracket(&text, "env") else {
                continue;
            };
            let variable = variable.split('=').next().unwrap().to_owned();
            let flag = text.split(' ').find(|word| word.starts_with("--"));
            let setting = Setting {
                heading,
                flag: flag.map(str::to_owned),
                default: bracket(&text, "default"),
            };
            let before = settings.insert(variable.clone(), setting.clone());
            assert!(
                before.is_none_or(|before| before == setting),
                "{command}: {variable}"
            );
        }
    }
    assert!(settings.len() > 30, "settings in the help: {}", settings.len());
    settings.extend(secrets());
    settings.extend(NO_FLAG.map(|name| {
        let default = "info for serve, else warn".to_owned();
        (
            name.to_owned(),
            Setting {
                heading: "Logs and traces".to_owned(),
                flag: None,
                default: Some(default),
            },
        )
    }));
    settings
}

/// Reads the secrets from the end of the help.
fn secrets() -> BTreeMap<String, Setting> {
    let help = Program::new().run(&["--help"]).out;
    let (_, list) = help.split_once("Secrets are read").unwrap();
    let secrets: BTreeMap<String, Setting> = list
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .map(|line| {
            let name = line.split_whitespace().next().unwrap().to_owned();
            let setting = Setting {
                heading: "Secrets".to_owned(),
                flag: None,
                default: bracket(line, "default"),
            };
            (name, setting)
        })
        .collect();
    assert!(secrets.contains_key("DRIFT_JWT_SECRET"), "{help}");
    secrets
}

/// Reads the settings from the tables of the page, by variable. The columns are variable, flag, default and meaning.
fn of_the_page(text: &str) -> BTreeMap<String, Setting> {
    let mut settings = BTreeMap::new();
    let mut heading = "";
    for row in text.lines() {
        heading = row.strip_prefix("## ").unwrap_or(heading);
        if !row.starts_with("| `") {
            continue;
        }
        // A bar inside a cell is escaped as \|.
        let hidden = row.replace("\\|", "\u{0}");
        let cells: Vec<&str> = hidden.trim_matches('|').split('|').map(str::trim).collect();
        let [variable, flag, default, meaning] = cells[..] else {
            panic!("not four cells: {row}");
        };
        assert!(!meaning.is_empty(), "{row}");
        let text = |cell: &str| Some(plain(&cell.replace('\u{0}', "|"))).filter(|text| text != "none");
        let setting = Setting {
            heading: heading.to_owned(),
            flag: text(flag),
            default: text(default),
        };
        let before = settings.insert(plain(variable), setting);
        assert_eq!(before, None, "two rows: {row}");
    }
    settings
}

#[test]
fn the_settings_page_lists_each_setting_with_its_heading_flag_and_default() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/settings.md");
    let text = fs::read_to_string(path).unwrap();
    let (program, page) = (of_the_program(), of_the_page(&text));
    let names = |settings: &BTreeMap<String, Setting>| settings.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&program), names(&page));
    for (variable, setting) in &program {
        assert_eq!(Some(setting), page.get(variable), "{variable}");
    }
    for secret in secrets().keys() {
        assert!(text.contains(&format!("`{secret}_FILE`")), "{secret}_FILE");
    }
}
