//! Where skills are: folders in order; where two have one of the same name, the earlier folder's is used.

use super::adding::origins;
use super::format::{MOST_BYTES, Skill, is_name, read_skill};
use super::problem::SkillProblem;
use super::resources::{read_plain, skill_hash};
use nunchi_core::{Label, Position};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Most skills of one folder.
const MOST_SKILLS: usize = 500;

/// Where a folder of skills comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SkillOrigin {
    /// The owner's own folder.
    Home,
    /// A project: whoever wrote it may be a stranger.
    Project,
    /// A pack that the owner put into the home folder.
    Pack,
}

/// A folder of skills.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkillPlace {
    /// The folder whose subfolders are skills.
    pub folder: PathBuf,
    /// Where it comes from.
    pub origin: SkillOrigin,
}

/// A skill that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FoundSkill {
    /// Its folder's name.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Where that comes from.
    pub origin: SkillOrigin,
    /// From where it was added, if it was.
    pub source: Option<String>,
    /// Whose words its text is.
    pub label: Label,
    /// What it says; `None` when it cannot be used.
    pub skill: Option<Skill>,
    /// What is wrong with it.
    pub problems: Vec<SkillProblem>,
    /// Whether another one of this name is used instead.
    pub shadowed: bool,
}

/// All skills there are. Reads its folders anew each time, so that a changed skill is never used as it was.
#[derive(Clone, Debug, Default)]
pub struct SkillRegistry {
    places: Vec<SkillPlace>,
}

impl SkillRegistry {
    /// The skills of these folders; the earlier ones win.
    pub fn new(places: Vec<SkillPlace>) -> Self {
        Self { places }
    }

    /// Every skill, also broken and shadowed ones, by place and name.
    pub fn all(&self) -> Vec<FoundSkill> {
        let mut found = Vec::new();
        let mut taken = BTreeSet::new();
        for place in &self.places {
            let origins = origins(&place.folder);
            for name in subfolders(&place.folder) {
                let mut skill = find(place, &name);
                match &origins {
                    _ if place.origin != SkillOrigin::Home => {}
                    None => skill.label = Label::Stranger,
                    Some(origins) => {
                        if let Some(origin) = origins.get(&name) {
                            skill.source = Some(origin.source.clone());
                            // Trust is for these very bytes.
                            let same = || skill_hash(&skill.folder).is_ok_and(|hash| hash == origin.hash);
                            skill.label =
                                if origin.trusted && same() { Label::Tool } else { Label::Stranger };
                        }
                    }
                }
                skill.shadowed = !taken.insert(name);
                found.push(skill);
            }
        }
        found
    }

    /// The skills that can be used.
    pub fn usable(&self) -> Vec<FoundSkill> {
        self.all().into_iter().filter(|found| found.skill.is_some() && !found.shadowed).collect()
    }

    /// The skill of this name, if it can be used.
    pub fn find(&self, name: &str) -> Option<FoundSkill> {
        self.usable().into_iter().find(|found| found.name == name)
    }
}

fn find(place: &SkillPlace, name: &str) -> FoundSkill {
    let folder = place.folder.join(name);
    let (skill, problems) = read(&folder, name);
    let label = match place.origin {
        SkillOrigin::Home | SkillOrigin::Pack => Label::Tool,
        SkillOrigin::Project => Label::Stranger,
    };
    FoundSkill {
        name: name.to_owned(),
        folder,
        origin: place.origin,
        source: None,
        label,
        skill,
        problems,
        shadowed: false,
    }
}

/// Reads the `SKILL.md` of a folder.
pub(crate) fn read(folder: &Path, name: &str) -> (Option<Skill>, Vec<SkillProblem>) {
    let broken = |code: &'static str, en: String, ko: String| {
        (None, vec![SkillProblem::severe(Position { line: 1, column: 1 }, code, en, ko)])
    };
    match read_plain(&folder.join("SKILL.md"), MOST_BYTES as u64) {
        Ok(Some(bytes)) => match String::from_utf8(bytes) {
            Ok(text) => read_skill(name, &text),
            Err(_) => broken("skill.no_text", "it is no UTF-8".into(), "UTF-8이 아닙니다".into()),
        },
        Ok(None) => broken(
            "skill.too_long",
            format!("the file has more than {MOST_BYTES} bytes"),
            format!("파일이 {MOST_BYTES}바이트를 넘습니다"),
        ),
        Err(error) => broken(
            "skill.unreadable",
            format!("it cannot be read: {error}"),
            format!("읽을 수 없습니다: {error}"),
        ),
    }
}

/// The subfolders that may be skills: real ones, no links.
fn subfolders(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let named = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let real = entry.file_type().ok()?.is_dir();
        let skill = is_name(&name) || entry.path().join("SKILL.md").exists();
        (real && skill && !name.starts_with('.')).then_some(name)
    };
    let mut names: Vec<_> = entries.filter_map(named).take(MOST_SKILLS).collect();
    names.sort();
    names
}
