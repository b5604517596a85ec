//! Skills put into the owner's folder: made anew, or added from elsewhere, with a note of where they came from.

use super::format::is_name;
use super::problem::SkillProblem;
use super::registry::read;
use super::resources::{MOST_TOTAL, files_of, read_plain, skill_hash};
use nunchi_core::{ContentHash, Explain, Lang};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The note beside the skills, which no skill can write as none lies at that place.
const ORIGINS: &str = ".origins.json";

/// Where an added skill came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddedSkill {
    /// From where.
    pub source: String,
    /// All its files, as they were then.
    pub hash: ContentHash,
    /// Whether the owner vouches for these files.
    pub trusted: bool,
}

/// Why a skill cannot be put into the folder.
#[derive(Debug, thiserror::Error)]
pub enum SkillError {
    /// The name is none.
    #[error("`{0}` is no name of a skill")]
    Name(String),
    /// There is one of that name.
    #[error("there is a skill `{0}` already")]
    Exists(String),
    /// It is broken.
    #[error("the skill is broken")]
    Broken(Vec<SkillProblem>),
    /// A run cannot be made into a skill.
    #[error("{0}")]
    Undistillable(&'static str, &'static str),
    /// Files cannot be read or written.
    #[error("{0}: {1}")]
    Io(String, io::Error),
}

impl Explain for SkillError {
    fn code(&self) -> &'static str {
        match self {
            Self::Name(_) => "skill.name",
            Self::Exists(_) => "skill.exists",
            Self::Broken(_) => "skill.broken",
            Self::Undistillable(..) => "skill.undistillable",
            Self::Io(..) => "skill.files",
        }
    }

    fn message(&self, lang: Lang) -> String {
        match (self, lang) {
            (Self::Broken(problems), _) => {
                let lines: Vec<_> = problems.iter().map(|problem| problem.line(lang)).collect();
                format!(
                    "{}\n{}",
                    lang.pick("the skill is broken", "스킬에 오류가 있습니다"),
                    lines.join("\n")
                )
            }
            (Self::Undistillable(en, ko), _) => lang.pick(*en, *ko).to_owned(),
            (_, Lang::En) | (Self::Io(..), _) => self.to_string(),
            (Self::Name(name), _) => format!("`{name}`은(는) 스킬 이름이 될 수 없습니다"),
            (Self::Exists(name), _) => format!("`{name}` 스킬이 이미 있습니다"),
        }
    }

    fn hint(&self, lang: Lang) -> Option<String> {
        let (en, ko) = match self {
            Self::Name(_) => ("Use a-z, 0-9 and single hyphens.", "a-z, 0-9와 하이픈 하나씩을 쓰세요."),
            Self::Exists(_) => {
                ("Choose another name, or remove it first.", "다른 이름을 쓰거나 먼저 지우세요.")
            }
            Self::Broken(_) => ("Correct SKILL.md.", "SKILL.md를 고치세요."),
            Self::Undistillable(..) => ("Choose a run that ended well.", "잘 끝난 실행을 고르세요."),
            Self::Io(..) => return None,
        };
        Some(lang.pick(en, ko).to_owned())
    }
}

fn named(path: &Path) -> impl FnOnce(io::Error) -> SkillError {
    let name = path.display().to_string();
    move |error| SkillError::Io(name, error)
}

/// Writes a new skill into a folder of skills; an existing one is left alone.
///
/// # Errors
/// When the name is none or taken, the text is no skill, or it cannot be written.
pub fn new_skill(skills: &Path, name: &str, text: &str) -> Result<PathBuf, SkillError> {
    if !is_name(name) {
        return Err(SkillError::Name(name.to_owned()));
    }
    let (skill, problems) = super::format::read_skill(name, text);
    if skill.is_none() {
        return Err(SkillError::Broken(problems));
    }
    let folder = claim(skills, name)?;
    let file = folder.join("SKILL.md");
    fs::write(&file, text).map_err(named(&file))?;
    Ok(folder)
}

/// Copies a skill's folder into a folder of skills and notes where it came from. Nothing of it is run, and unless the owner
/// vouches for it, its text counts as a stranger's.
///
/// # Errors
/// When it is broken, holds links, is too large, or its name is taken.
pub fn add_skill(skills: &Path, from: &Path, trusted: bool) -> Result<PathBuf, SkillError> {
    let from = from.canonicalize().map_err(named(from))?;
    let name = from.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    if !is_name(&name) {
        return Err(SkillError::Name(name));
    }
    let (skill, problems) = read(&from, &name);
    if skill.is_none() {
        return Err(SkillError::Broken(problems));
    }
    let hash = skill_hash(&from).map_err(named(&from))?;
    let folder = claim(skills, &name)?;
    for (relative, path) in files_of(&from).map_err(named(&from))? {
        let target = folder.join(&relative);
        let copy = || {
            let bytes = read_plain(&path, MOST_TOTAL)?.ok_or_else(|| io::Error::other("too large"))?;
            fs::create_dir_all(target.parent().unwrap_or(&folder))?;
            // No mode is kept: what is added cannot be run by its path.
            fs::write(&target, bytes)
        };
        copy().map_err(named(&target))?;
    }
    let mut origins = origins(skills).unwrap_or_default();
    origins.insert(name, AddedSkill { source: from.display().to_string(), hash, trusted });
    let note = skills.join(ORIGINS);
    let text =
        serde_json::to_string_pretty(&origins).map_err(|error| named(&note)(io::Error::other(error)))?;
    let draft = skills.join(".origins.json.new");
    fs::write(&draft, text).and_then(|()| fs::rename(&draft, &note)).map_err(named(&note))?;
    Ok(folder)
}

fn claim(skills: &Path, name: &str) -> Result<PathBuf, SkillError> {
    fs::create_dir_all(skills).map_err(named(skills))?;
    let folder = skills.join(name);
    match fs::create_dir(&folder) {
        Ok(()) => Ok(folder),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(SkillError::Exists(name.to_owned()))
        }
        Err(error) => Err(named(&folder)(error)),
    }
}

/// What is noted of added skills; `None` when there is a note that cannot be read, which then vouches for nothing.
pub(crate) fn origins(skills: &Path) -> Option<BTreeMap<String, AddedSkill>> {
    match read_plain(&skills.join(ORIGINS), 1024 * 1024) {
        Ok(bytes) => serde_json::from_slice(&bytes?).ok(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(BTreeMap::new()),
        Err(_) => None,
    }
}
