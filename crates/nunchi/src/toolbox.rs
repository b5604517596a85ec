//! Opens what agents may touch, as configured: the tools in their box.

use crate::config::Config;
use crate::failure::Failure;
use crate::home::Home;
use nunchi_core::Label;
use nunchi_tools::{FileCaps, FileRoot, ToolChest, open_files};
use std::sync::Arc;

/// Fills the box.
pub(crate) fn fill(home: &Home, config: &Config) -> Result<Arc<ToolChest>, Failure> {
    let roots = folders(home, config)?;
    let undo = home.file("undo");
    // The home folder holds keys and the ledger; a root inside it stays open.
    let closed = vec![home.path().to_owned()];
    let files = open_files(roots, closed, &undo, FileCaps::default())
        .map_err(|error| Failure::system("the folders of agents", error))?;
    Ok(Arc::new(ToolChest::new().with(Arc::new(files))))
}

/// The folders, each with a name of its own; those that are missing in the home folder are made.
fn folders(home: &Home, config: &Config) -> Result<Vec<FileRoot>, Failure> {
    let written = config.agent.folders.iter().map(|folder| (folder, true));
    let written = written.chain(config.agent.read_only.iter().map(|folder| (folder, false)));
    let mut roots: Vec<FileRoot> = Vec::new();
    for (folder, writable) in written {
        let path = match folder.strip_prefix("~/").zip(std::env::home_dir()) {
            Some((rest, person)) => person.join(rest),
            None => home.path().join(folder),
        };
        if path.starts_with(home.path()) {
            std::fs::create_dir_all(&path).map_err(|error| Failure::system(folder, error))?;
        }
        roots.push(FileRoot { name: name_of(&path, &roots), path, writable, label: Label::Tool });
    }
    Ok(roots)
}

/// The folder's own name, with a number where another root has it.
fn name_of(path: &std::path::Path, taken: &[FileRoot]) -> String {
    let own = path.file_name().map_or_else(|| "root".into(), |name| name.to_string_lossy().into_owned());
    let free = |name: &String| taken.iter().all(|root| root.name != *name);
    let numbered = (2..).map(|number| format!("{own}-{number}"));
    std::iter::once(own.clone()).chain(numbered).find(free).unwrap_or(own)
}
