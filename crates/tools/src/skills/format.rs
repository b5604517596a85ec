//! `SKILL.md`: front matter by the Agent Skills specification (agentskills.io), our keys in its metadata, the body.

use super::problem::SkillProblem;
use nunchi_core::{Located, LocatedEntry, Position, read_yaml};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Longest file, in bytes.
pub(crate) const MOST_BYTES: usize = 128 * 1024;
/// Longest name.
const MOST_NAME: usize = 64;
/// Longest description, in characters.
const MOST_DESCRIPTION: usize = 1_024;
/// Longest note on what it needs, in characters.
const MOST_COMPATIBILITY: usize = 500;
/// Lines of a body beyond which the specification advises files of its own.
const USUAL_LINES: usize = 500;
/// The keys of the specification.
const KEYS: [&str; 6] = ["name", "description", "license", "compatibility", "metadata", "allowed-tools"];
/// Our own keys in the metadata.
const OWN_KEYS: [&str; 5] =
    ["nunchi-params", "nunchi-group", "nunchi-keywords", "nunchi-intents", "nunchi-cost"];

/// A skill as its file says it. None of it is a right.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Skill {
    /// Its name, which is that of its folder.
    pub name: String,
    /// What it does and when to use it.
    pub description: String,
    /// Under which terms.
    pub license: Option<String>,
    /// What it needs around it.
    pub compatibility: Option<String>,
    /// Whatever else was said, texts by name.
    pub metadata: BTreeMap<String, String>,
    /// The tools that it wants used, and no others; `None`: it does not say.
    pub allowed_tools: Option<Vec<String>>,
    /// What it is told on use.
    pub params: Vec<SkillParam>,
    /// The group it belongs to.
    pub group: Option<String>,
    /// Words that speak for it.
    pub keywords: Vec<String>,
    /// The intents it serves.
    pub intents: Vec<String>,
    /// What using it usually costs.
    pub cost: SkillCost,
    /// The instructions.
    pub body: String,
}

/// Something a skill is told on use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SkillParam {
    /// Its name.
    pub name: String,
    /// Its value when none is given; `None`: one must be given.
    pub default: Option<String>,
    /// What it is for.
    pub description: String,
}

/// What using a skill usually costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SkillCost {
    /// A turn or two.
    Low,
    /// A handful of turns.
    #[default]
    Medium,
    /// Many turns, or a dear model.
    High,
}

/// Reads a `SKILL.md` of a folder. With a severe problem there is no skill.
pub fn read_skill(folder: &str, text: &str) -> (Option<Skill>, Vec<SkillProblem>) {
    let mut reading = Reading { problems: Vec::new() };
    let skill = reading.skill(folder, text);
    reading.problems.sort_by_key(|problem| problem.at);
    let usable = !reading.problems.iter().any(|problem| problem.severe);
    (skill.filter(|_| usable), reading.problems)
}

/// Whether a text may be the name of a skill: letters, digits and single hyphens between them.
pub(crate) fn is_name(name: &str) -> bool {
    let part =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    name.len() <= MOST_NAME && name.split('-').all(part)
}

/// A character that shows nothing, or makes a reader see something else than stands there.
pub(crate) fn is_hidden(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{E0000}'..='\u{E007F}')
}

struct Reading {
    problems: Vec<SkillProblem>,
}

impl Reading {
    fn severe(&mut self, at: Position, code: &'static str, en: impl Into<String>, ko: impl Into<String>) {
        self.problems.push(SkillProblem::severe(at, code, en, ko));
    }

    fn advice(&mut self, at: Position, code: &'static str, en: impl Into<String>, ko: impl Into<String>) {
        self.problems.push(SkillProblem::severe(at, code, en, ko).advice());
    }

    fn skill(&mut self, folder: &str, text: &str) -> Option<Skill> {
        let first = Position { line: 1, column: 1 };
        if text.len() > MOST_BYTES {
            let bytes = text.len();
            self.severe(
                first,
                "skill.too_long",
                format!("the file has {bytes} bytes, more than {MOST_BYTES}"),
                format!("파일이 {bytes}바이트로 {MOST_BYTES}바이트를 넘습니다"),
            );
            return None;
        }
        if let Some((at, c)) = text.char_indices().find(|(at, c)| is_hidden(*c) && *at > 0) {
            self.severe(
                Position::of_byte(text, at),
                "skill.hidden_character",
                format!("there is a hidden character (U+{:04X})", u32::from(c)),
                format!("보이지 않는 문자(U+{:04X})가 있습니다", u32::from(c)),
            );
            return None;
        }
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        let Some((front, body)) = parts(text) else {
            self.severe(
                first,
                "skill.front_matter",
                "it must begin with front matter between two lines of ---",
                "--- 두 줄 사이의 머리말로 시작해야 합니다",
            );
            return None;
        };
        // The front matter begins on the second line.
        let front = match read_yaml(front) {
            Ok(front) => front,
            Err(error) => {
                let at = Position { line: error.at.line + 1, ..error.at };
                self.severe(at, "skill.front_matter", error.message.clone(), error.message);
                return None;
            }
        };
        let mut skill = self.front(&front)?;
        skill.body = body.trim().to_owned();
        self.check(folder, &front, &skill);
        Some(skill)
    }

    fn front(&mut self, front: &Located) -> Option<Skill> {
        let Some(entries) = front.entries() else {
            self.severe(
                below(front.at),
                "skill.front_matter",
                "the front matter must be a table",
                "머리말은 표여야 합니다",
            );
            return None;
        };
        let mut skill = Skill::default();
        for entry in entries {
            match entry.key.as_str() {
                "name" => skill.name = self.text(entry)?,
                "description" => skill.description = self.text(entry)?,
                "license" => skill.license = self.text(entry),
                "compatibility" => skill.compatibility = self.text(entry),
                "metadata" => skill.metadata = self.metadata(entry),
                "allowed-tools" => skill.allowed_tools = self.tools(entry),
                _ => {
                    let (key, known) = (&entry.key, KEYS.join(", "));
                    self.advice(
                        below(entry.at),
                        "skill.unknown_key",
                        format!("`{key}` is not in the specification; it is ignored (known: {known})"),
                        format!("`{key}`은(는) 규격에 없어 무시됩니다(규격: {known})"),
                    );
                }
            }
        }
        self.own(front, &mut skill);
        Some(skill)
    }

    fn text(&mut self, entry: &LocatedEntry) -> Option<String> {
        let text = entry.value.text().map(|text| text.trim().to_owned());
        if text.is_none() {
            let key = &entry.key;
            self.severe(
                below(entry.value.at),
                "skill.value",
                format!("`{key}` must be a text"),
                format!("`{key}`은(는) 글이어야 합니다"),
            );
        }
        text
    }

    fn metadata(&mut self, entry: &LocatedEntry) -> BTreeMap<String, String> {
        let mut metadata = BTreeMap::new();
        let Some(entries) = entry.value.entries() else {
            self.severe(
                below(entry.value.at),
                "skill.value",
                "`metadata` must be a table of texts",
                "`metadata`는 글의 표여야 합니다",
            );
            return metadata;
        };
        for entry in entries {
            let text = match entry.value.to_json() {
                Value::String(text) => text,
                other => {
                    let key = &entry.key;
                    self.advice(
                        below(entry.value.at),
                        "skill.metadata",
                        format!("`{key}` should be a text: the specification maps texts to texts"),
                        format!("`{key}`은(는) 글이어야 합니다. 규격은 글만 허용합니다"),
                    );
                    other.to_string()
                }
            };
            metadata.insert(entry.key.clone(), text);
        }
        metadata
    }

    /// Names parted by spaces; commas and lists are understood as well.
    fn tools(&mut self, entry: &LocatedEntry) -> Option<Vec<String>> {
        let listed = entry
            .value
            .items()
            .map(|items| items.iter().filter_map(Located::text).map(str::to_owned).collect::<Vec<_>>());
        let written = entry.value.text().map(|text| {
            let names = text.split([' ', ',', '\t', '\n']).filter(|name| !name.is_empty());
            names.map(str::to_owned).collect::<Vec<_>>()
        });
        if listed.is_some() || entry.value.text().is_some_and(|text| text.contains(',')) {
            self.advice(
                below(entry.value.at),
                "skill.allowed_tools",
                "the specification parts the tools by spaces",
                "규격에서는 도구를 빈칸으로 나눕니다",
            );
        }
        let tools = written.or(listed);
        if tools.is_none() {
            self.severe(
                below(entry.value.at),
                "skill.value",
                "`allowed-tools` must be a text",
                "`allowed-tools`는 글이어야 합니다",
            );
        }
        tools
    }

    /// Our own keys of the metadata.
    fn own(&mut self, front: &Located, skill: &mut Skill) {
        let words = |text: &str| -> Vec<String> {
            text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
        };
        for (key, text) in skill.metadata.clone() {
            let at =
                front.get("metadata").and_then(|table| table.get(&key)).map_or(front.at, |value| value.at);
            match key.as_str() {
                "nunchi-params" => skill.params = self.params(below(at), &text),
                "nunchi-group" => skill.group = Some(text),
                "nunchi-keywords" => skill.keywords = words(&text),
                "nunchi-intents" => skill.intents = words(&text),
                "nunchi-cost" => match text.as_str() {
                    "low" => skill.cost = SkillCost::Low,
                    "medium" => skill.cost = SkillCost::Medium,
                    "high" => skill.cost = SkillCost::High,
                    _ => self.severe(
                        below(at),
                        "skill.value",
                        "`nunchi-cost` must be low, medium or high",
                        "`nunchi-cost`는 low, medium, high 중 하나여야 합니다",
                    ),
                },
                other if other.starts_with("nunchi-") => {
                    let known = OWN_KEYS.join(", ");
                    self.advice(
                        below(at),
                        "skill.unknown_key",
                        format!("`{other}` means nothing to us; there are {known}"),
                        format!("`{other}`은(는) 뜻이 없습니다. 쓸 수 있는 것: {known}"),
                    );
                }
                _ => {}
            }
        }
    }

    /// `name`, `name=default`, each with `: description`, parted by semicolons.
    fn params(&mut self, at: Position, text: &str) -> Vec<SkillParam> {
        let mut params = Vec::new();
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let (head, description) = part.split_once(':').unwrap_or((part, ""));
            let (name, default) = match head.split_once('=') {
                Some((name, default)) => (name.trim(), Some(default.trim().to_owned())),
                None => (head.trim(), None),
            };
            let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if name.is_empty() || !name.chars().all(good) {
                self.severe(
                    at,
                    "skill.param",
                    format!("`{name}` is no name of a parameter: use a-z, 0-9 and _"),
                    format!("`{name}`은(는) 매개변수 이름이 될 수 없습니다. a-z, 0-9, _를 쓰세요"),
                );
            }
            params.push(SkillParam {
                name: name.to_owned(),
                default,
                description: description.trim().to_owned(),
            });
        }
        params
    }

    fn check(&mut self, folder: &str, front: &Located, skill: &Skill) {
        let at = |key: &str| front.get(key).map_or(Position { line: 1, column: 1 }, |value| below(value.at));
        let name = &skill.name;
        if !is_name(name) {
            self.severe(
                at("name"),
                "skill.name",
                format!("the name must be 1 to {MOST_NAME} of a-z, 0-9 and single hyphens between them"),
                format!("이름은 a-z, 0-9와 그 사이의 하이픈 하나로 된 1~{MOST_NAME}자여야 합니다"),
            );
        } else if name != folder {
            self.severe(
                at("name"),
                "skill.folder",
                format!("the name `{name}` is not that of its folder, `{folder}`"),
                format!("이름 `{name}`이(가) 폴더 이름 `{folder}`과(와) 다릅니다"),
            );
        }
        let length = skill.description.chars().count();
        if length == 0 || length > MOST_DESCRIPTION {
            self.severe(
                at("description"),
                "skill.description",
                format!("the description must have 1 to {MOST_DESCRIPTION} characters, it has {length}"),
                format!("설명은 1~{MOST_DESCRIPTION}자여야 하는데 {length}자입니다"),
            );
        }
        let length = skill.compatibility.as_ref().map_or(1, |text| text.chars().count());
        if length == 0 || length > MOST_COMPATIBILITY {
            self.severe(
                at("compatibility"),
                "skill.compatibility",
                format!("`compatibility` must have 1 to {MOST_COMPATIBILITY} characters, it has {length}"),
                format!("`compatibility`는 1~{MOST_COMPATIBILITY}자여야 하는데 {length}자입니다"),
            );
        }
        let lines = skill.body.lines().count();
        if lines > USUAL_LINES {
            self.advice(
                at("name"),
                "skill.long_body",
                format!("the body has {lines} lines; beyond {USUAL_LINES}, put parts into references/"),
                format!("본문이 {lines}줄입니다. {USUAL_LINES}줄이 넘으면 references/로 나누세요"),
            );
        }
    }
}

/// Front matter and body.
fn parts(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("---\n").or_else(|| text.strip_prefix("---\r\n"))?;
    let mut at = 0;
    for line in rest.split_inclusive('\n') {
        if line.trim_end() == "---" {
            return Some((&rest[..at], &rest[at + line.len()..]));
        }
        at += line.len();
    }
    None
}

/// A place in the front matter as a place in the file.
fn below(at: Position) -> Position {
    Position { line: at.line + 1, ..at }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nunchi_core::Lang;

    fn codes(text: &str) -> Vec<String> {
        read_skill("weekly-report", text)
            .1
            .iter()
            .map(|problem| format!("{} {}", problem.at, problem.code))
            .collect()
    }

    const GOOD: &str = "---\nname: weekly-report\ndescription: 주간 보고서를 쓴다. Use when asked for a weekly report.\nlicense: MIT\nallowed-tools: read_file write_file\nmetadata:\n  author: kim\n  nunchi-params: \"team: whose; tone=formal\"\n  nunchi-keywords: 보고서, report\n  nunchi-group: office\n  nunchi-cost: low\n---\n# Steps\n\nRead {{team}}.\n";

    #[test]
    fn a_whole_skill() {
        let (skill, problems) = read_skill("weekly-report", GOOD);
        assert_eq!(problems, []);
        let skill = skill.unwrap();
        assert_eq!(skill.allowed_tools.unwrap(), ["read_file", "write_file"]);
        assert_eq!(skill.params[0].default, None);
        assert_eq!(
            (skill.params[1].name.as_str(), skill.params[1].default.as_deref()),
            ("tone", Some("formal"))
        );
        assert_eq!((skill.keywords, skill.cost), (vec!["보고서".into(), "report".into()], SkillCost::Low));
        assert_eq!(skill.body, "# Steps\n\nRead {{team}}.");
    }

    #[test]
    fn what_the_specification_refuses() {
        let with = |line: &str| format!("---\nname: weekly-report\ndescription: x\n{line}\n---\nbody\n");
        for (text, expected) in [
            ("no front matter".to_owned(), "1:1 skill.front_matter"),
            ("---\nname: weekly-report\n".to_owned(), "1:1 skill.front_matter"),
            ("---\n- a\n---\n".to_owned(), "2:1 skill.front_matter"),
            ("---\nname: weekly-report\n---\n".to_owned(), "1:1 skill.description"),
            ("---\nname: other\ndescription: x\n---\n".to_owned(), "2:7 skill.folder"),
            ("---\nname: Weekly--Report\ndescription: x\n---\n".to_owned(), "2:7 skill.name"),
            ("---\nname: 3\ndescription: x\n---\n".to_owned(), "2:7 skill.value"),
            (
                format!("---\nname: weekly-report\ndescription: {}\n---\n", "x".repeat(1_025)),
                "3:14 skill.description",
            ),
            (with(&format!("compatibility: {}", "x".repeat(501))), "4:16 skill.compatibility"),
            (with("metadata: [x]"), "4:11 skill.value"),
            (with("metadata:\n  nunchi-cost: dear"), "5:16 skill.value"),
            (with("metadata:\n  nunchi-params: Big Name"), "5:18 skill.param"),
        ] {
            assert_eq!(codes(&text), [expected], "{text}");
            assert_eq!(read_skill("weekly-report", &text).0, None, "{text}");
        }
        let (_, problems) = read_skill("weekly-report", &with("metadata: [x]"));
        assert_eq!(
            problems[0].line(Lang::Ko),
            "SKILL.md:4:11: `metadata`는 글의 표여야 합니다 [skill.value]"
        );
    }

    #[test]
    fn advice_keeps_the_skill() {
        let text = "---\nname: weekly-report\ndescription: x\nversion: 2\nallowed-tools: [a, b]\nmetadata:\n  n: 1\n  nunchi-colour: red\n---\n";
        assert_eq!(
            codes(text),
            [
                "4:1 skill.unknown_key",
                "5:16 skill.allowed_tools",
                "7:6 skill.metadata",
                "8:18 skill.unknown_key"
            ]
        );
        let skill = read_skill("weekly-report", text).0.unwrap();
        assert_eq!(skill.allowed_tools.unwrap(), ["a", "b"]);
    }

    #[test]
    fn hostile_files() {
        let laughs = "---\na: &a [x,x]\nb: &b [*a,*a]\nname: weekly-report\n---\n";
        for (text, code) in [
            (laughs.to_owned(), "skill.front_matter"),
            ("x".repeat(MOST_BYTES + 1), "skill.too_long"),
            (
                format!("---\nname: weekly-report\ndescription: {}\n---\n", "[".repeat(5_000)),
                "skill.front_matter",
            ),
            ("---\nname: weekly-report\ndescription: a\u{202E}b\n---\n".to_owned(), "skill.hidden_character"),
            (
                "---\nname: weekly-report\ndescription: a\u{1b}[2Jb\n---\n".to_owned(),
                "skill.hidden_character",
            ),
            (
                "---\nname: weekly-report\ndescription: x\n---\nbody \u{200B}\n".to_owned(),
                "skill.hidden_character",
            ),
            ("---\nname: weekly-report\nname: x\n---\n".to_owned(), "skill.front_matter"),
        ] {
            let (skill, problems) = read_skill("weekly-report", &text);
            assert!(skill.is_none() && problems[0].code == code, "{problems:?}");
        }
    }
}
