//! Kills between any two steps of a write: afterwards it is known whether it happened, and nothing is half done.

use super::super::content::Found;
use super::super::desk::{FileDesk, Wanted};
use super::world::{World, desk_of};
use crate::files::{change, file_tools};
use nunchi_core::{Expect, RunId, ToolCall, ToolError, ToolFate, ToolOutput};
use serde_json::json;
use std::process::{Command, Stdio};
use std::time::Duration;
use uuid::Uuid;

const ROUNDS: &str = "NUNCHI_TEST_KILLED_WRITER";

/// How far a write comes before the process ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Until {
    WrittenBeside,
    Noted,
    Exchanged,
    InPlace,
}

fn write_until(desk: &FileDesk, key: &str, path: &str, text: &str, until: Until) {
    let path = desk.writable(path).unwrap();
    let store = desk.store();
    if until == Until::WrittenBeside {
        let place = desk.roots.place(&path).unwrap();
        let new = change::NewContent { bytes: text.as_bytes(), mode: None, owner: None };
        change::write_beside(&place, &path, &change::temporary_name(key), &new).unwrap();
        return;
    }
    let decide = |_: Option<&Found>| -> Result<Wanted, ToolError> {
        Ok(Wanted::Content(text.as_bytes().to_vec(), None))
    };
    let outcome = |_: &change::Change| serde_json::to_string(&ToolOutput::text("done")).unwrap();
    let prepared = desk.prepare(&store, key, (&path, None), decide, outcome).unwrap().unwrap();
    let name = change::temporary_name(key);
    let (folder, place) = (&prepared.place.folder, &prepared.place.name);
    match until {
        Until::Exchanged => {
            let flags = rustix::fs::RenameFlags::EXCHANGE;
            rustix::fs::renameat_with(folder, &name, folder, place, flags).unwrap();
        }
        Until::InPlace => change::put(&prepared.place, &path, &prepared.intent, 1 << 20).unwrap(),
        Until::WrittenBeside | Until::Noted => {}
    }
}

#[tokio::test]
async fn a_kill_at_any_step() {
    for (until, before, user, after, happened) in [
        (Until::WrittenBeside, Some("old"), None, Some("old"), false),
        (Until::Noted, Some("old"), None, Some("old"), false),
        (Until::Noted, None, None, None, false),
        (Until::Noted, None, Some("theirs"), Some("theirs"), false),
        (Until::Exchanged, Some("old"), None, Some("new"), true),
        (Until::InPlace, Some("old"), None, Some("new"), true),
        (Until::InPlace, None, None, Some("new"), true),
        // Written in place, so that it is still the same file.
        (Until::InPlace, Some("old"), Some("theirs"), Some("theirs"), true),
    ] {
        let mut world = World::new();
        if let Some(text) = before {
            std::fs::write(world.at("a.md"), text).unwrap();
        }
        write_until(&world.desk, "run.1", "a.md", "new", until);
        if let Some(text) = user {
            std::fs::write(world.at("a.md"), text).unwrap();
        }
        world.desk = desk_of(world.folder.path());
        world.tools = file_tools(&world.desk);
        let call = world.order("write_file", json!({"path": "a.md", "text": "new"}));
        assert_eq!(call.key, "run.1");
        let fate = world.fate(&call).await;
        let case = format!("{until:?} over {before:?}, user {user:?}");
        assert_eq!(matches!(fate, ToolFate::Happened(_)), happened, "{case}: {fate:?}");
        assert!(happened || fate == ToolFate::DidNot, "{case}: {fate:?}");
        assert_eq!(world.text("a.md").as_deref(), after, "{case}");
        // Asked twice, it says the same; and a call that did not happen can be made.
        assert_eq!(world.fate(&call).await, fate, "{case}");
        assert!(world.is_clean(), "{case}");
        if !happened && user.is_none() {
            let call = ToolCall { expect: None, ..call };
            world.tool("write_file").run(call).await.unwrap();
            assert_eq!(world.text("a.md").as_deref(), Some("new"), "{case}");
        }
        assert!(world.is_clean(), "{case}");
    }
}

fn write_over_another(world: &World) {
    let (desk, path) = (&world.desk, world.desk.writable("a.md").unwrap());
    let store = desk.store();
    let decide = |_: Option<&Found>| Ok(Wanted::Content(b"new".to_vec(), None));
    let prepared = desk.prepare(&store, "run.1", (&path, None), decide, |_| "{}".into()).unwrap().unwrap();
    // Between the check and the write.
    std::fs::write(world.at("a.md"), "theirs").unwrap();
    let error = desk.commit(&store, "run.1", &prepared).unwrap_err();
    assert_eq!((error.code.as_str(), error.uncertain), ("tool.changed", false));
}

#[tokio::test]
async fn what_came_out_of_an_exchange_and_was_changed_is_given_back() {
    let mut world = World::new();
    std::fs::write(world.at("a.md"), "old").unwrap();
    write_over_another(&world);
    assert_eq!(world.text("a.md").as_deref(), Some("theirs"));
    let call = world.order("write_file", json!({"path": "a.md", "text": "new"}));
    assert_eq!(world.fate(&call).await, ToolFate::DidNot);
    assert!(world.is_clean());
}

/// As most editors save: a new file under the old name.
fn save(world: &World, text: &str) {
    std::fs::write(world.at("editor"), text).unwrap();
    std::fs::rename(world.at("editor"), world.at("a.md")).unwrap();
}

/// A write of `new` that was killed after its exchange, which took out what somebody had saved after it was prepared.
fn killed_over_another(world: &World) {
    let (desk, path) = (&world.desk, world.desk.writable("a.md").unwrap());
    let store = desk.store();
    let decide = |_: Option<&Found>| Ok(Wanted::Content(b"new".to_vec(), None));
    let prepared = desk.prepare(&store, "run.1", (&path, None), decide, |_| "{}".into()).unwrap().unwrap();
    save(world, "theirs");
    let flags = rustix::fs::RenameFlags::EXCHANGE;
    let (folder, place) = (&prepared.place.folder, &prepared.place.name);
    let name = change::temporary_name("run.1");
    rustix::fs::renameat_with(folder, &name, folder, place, flags).unwrap();
}

#[tokio::test]
async fn what_was_saved_between_an_exchange_and_a_kill_stands() {
    // Both may get the number of the file that was written and is gone: one of two saves does on most systems.
    for saves in [vec!["newest"], vec!["newer", "newest"]] {
        let mut world = World::new();
        save(&world, "old");
        killed_over_another(&world);
        saves.iter().for_each(|text| save(&world, text));
        world.desk = desk_of(world.folder.path());
        world.tools = file_tools(&world.desk);
        let call = world.order("write_file", json!({"path": "a.md", "text": "new"}));
        assert_eq!(world.fate(&call).await, ToolFate::DidNot);
        assert_eq!(world.text("a.md").as_deref(), Some("newest"), "{saves:?}");
        // What it never read and cannot give back is in sight.
        assert_eq!(world.text("a.md.nunchi-kept").as_deref(), Some("theirs"), "{saves:?}");
        assert!(world.is_clean());
    }
}

/// Not a test of its own: the process that [`a_writer_killed_at_random`] kills.
#[tokio::test]
async fn killed_writer() {
    let Ok(folder) = std::env::var(ROUNDS) else { return };
    let desk = desk_of(folder.as_ref());
    let tool = file_tools(&desk).into_iter().find(|tool| tool.spec().name == "write_file").unwrap();
    for round in 0.. {
        tool.run(write_call(round, None)).await.unwrap();
        println!("{round}");
    }
}

fn write_call(round: u32, expect: Option<Expect>) -> ToolCall {
    ToolCall {
        run: RunId(Uuid::nil()),
        key: format!("run.{round}"),
        tool: "write_file".into(),
        arguments: json!({"path": format!("{}.md", round % 3), "text": format!("round {round}")}),
        expect,
    }
}

#[tokio::test]
async fn a_writer_killed_at_random() {
    let (mut happened, mut did_not) = (0, 0);
    for delay in 0..12_u64 {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["files::tests::crash::killed_writer", "--exact", "--nocapture"])
            .env(ROUNDS, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = std::io::BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        // It is at work once it has told its first round; where the kill then falls differs from time to time.
        while line.trim() != "2" {
            line.clear();
            assert!(std::io::BufRead::read_line(&mut told, &mut line).unwrap() > 0);
        }
        std::thread::sleep(Duration::from_micros(delay * 1_700));
        child.kill().unwrap();
        child.wait().unwrap();
        let mut last = 2;
        line.clear();
        while std::io::BufRead::read_line(&mut told, &mut line).unwrap() > 0 {
            last = line.trim().parse().unwrap_or(last);
            line.clear();
        }

        let desk = desk_of(folder.path());
        let tool = file_tools(&desk).into_iter().find(|tool| tool.spec().name == "write_file").unwrap();
        // What was told happened; of the next the fate is known, and the file agrees.
        for round in 0..=last {
            assert!(matches!(tool.fate(write_call(round, None)).await, ToolFate::Happened(_)), "{round}");
        }
        // Its answer may have been lost on the way out as well.
        let next = last + 1;
        let text = |round: u32| {
            std::fs::read_to_string(folder.path().join(format!("work/{}.md", round % 3))).unwrap()
        };
        match tool.fate(write_call(next, None)).await {
            ToolFate::Happened(_) => {
                happened += 1;
                assert_eq!(text(next), format!("round {next}"));
            }
            ToolFate::DidNot => {
                did_not += 1;
                assert_eq!(text(next), format!("round {}", next - 3));
            }
            ToolFate::Unknown => panic!("the fate of round {next} is unknown"),
        }
        let left = std::fs::read_dir(folder.path().join("work")).unwrap().flatten();
        let names: Vec<_> = left.map(|entry| entry.file_name().into_string().unwrap()).collect();
        // A new content that no journal row knows yet goes with the next attempt at the same call.
        tool.run(write_call(next, None)).await.unwrap();
        assert_eq!(text(next), format!("round {next}"), "{names:?}");
        let left = std::fs::read_dir(folder.path().join("work")).unwrap().flatten();
        assert!(left.into_iter().all(|entry| !entry.file_name().to_string_lossy().starts_with(".nunchi-")));
    }
    assert_eq!(happened + did_not, 12);
}
