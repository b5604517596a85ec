//! `backup`, `restore` and the reference pages.

use super::print_line;
use crate::cli::Cli;
use crate::config::reference as config_reference;
use crate::failure::Failure;
use crate::home::Home;
use crate::storage::HomeLock;
use clap::CommandFactory;
use nunchi_core::Lang;
use std::fmt::Write;
use std::path::Path;

/// Writes a whole copy of the ledger, or what can be saved of a damaged one. Works beside a running server.
pub(crate) fn backup(home: &Home, file: &Path, salvage: bool, lang: Lang) -> Result<(), Failure> {
    let ledger = home.file("nunchi.db");
    let shown = file.display();
    if !salvage {
        nunchi_store::backup_to(&ledger, file)?;
        return print_line(
            &lang.pick(
                format!("The ledger was copied to {shown}."),
                format!("장부를 {shown}에 복사했습니다."),
            ),
        );
    }
    let saved = nunchi_store::salvage_to(&ledger, file)?;
    let rows: Vec<_> = saved.iter().map(|(table, rows)| format!("{table} {rows}")).collect();
    let rows = rows.join(", ");
    print_line(&lang.pick(format!("Saved to {shown}: {rows}."), format!("{shown}에 건졌습니다: {rows}.")))
}

/// Replaces the ledger by a copy; the present one stays beside it.
pub(crate) fn restore(home: &Home, file: &Path, lang: Lang) -> Result<(), Failure> {
    let _lock = HomeLock::acquire(home.path())?;
    let failed = |error: std::io::Error| Failure::system(&file.display().to_string(), error);
    let (ledger, draft) = (home.file("nunchi.db"), home.file("nunchi.db.new"));
    std::fs::copy(file, &draft).map_err(failed)?;
    let before = home.file(&format!("nunchi.db.before-{}", jiff::Timestamp::now().as_second()));
    nunchi_store::move_to(&ledger, &before)?;
    std::fs::rename(&draft, &ledger).map_err(failed)?;
    print_line(&lang.pick(
        format!("The ledger is now {}; the one before is {}.", file.display(), before.display()),
        format!("장부를 {}(으)로 바꿨습니다. 이전 장부: {}", file.display(), before.display()),
    ))
}

/// Prints a reference page.
pub(crate) fn reference(page: &str) -> Result<(), Failure> {
    match page {
        "cli" => print_line(command_line().trim_end()),
        "config" => print_line(config_reference().trim_end()),
        "openapi" => print_line(nunchi_api::openapi_document().trim_end()),
        _ => Err(Failure::plain(
            "reference.page",
            "the pages are cli, config and openapi",
            "cli, config, openapi 중 하나여야 합니다",
        )),
    }
}

fn command_line() -> String {
    let mut page = String::from(
        "# Command line\n\nEvery command takes `--home DIR`, `--json` and `--lang en|ko`. Exit codes: 0 done, 1 failed, 2 not understood.\n",
    );
    describe(&mut page, &mut Cli::command(), "nunchi");
    page
}

fn describe(page: &mut String, command: &mut clap::Command, path: &str) {
    let children: Vec<_> = command
        .get_subcommands()
        .filter(|child| !child.is_hide_set())
        .map(|child| child.get_name().to_owned())
        .collect();
    if path != "nunchi" {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let _infallible = write!(page, "\n## {path}\n\n{about}\n");
        let arguments: Vec<_> = command
            .get_arguments()
            .filter(|argument| !argument.is_global_set() && argument.get_id() != "help")
            .collect();
        if !arguments.is_empty() {
            page.push_str("\n| argument | meaning |\n|---|---|\n");
        }
        for argument in arguments {
            let name = argument
                .get_long()
                .map_or_else(|| argument.get_id().to_string().to_uppercase(), |long| format!("--{long}"));
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            let default = argument
                .get_default_values()
                .iter()
                .map(|value| value.to_string_lossy())
                .collect::<Vec<_>>()
                .join(", ");
            let default = if default.is_empty() { default } else { format!(" Default: `{default}`.") };
            let _infallible = writeln!(page, "| `{name}` | {help}{default} |");
        }
    }
    for name in children {
        if let Some(child) = command.find_subcommand_mut(&name) {
            describe(page, child, &format!("{path} {name}"));
        }
    }
}
