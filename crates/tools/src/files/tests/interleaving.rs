//! Random writes, undos and edits by a user: no edit of the user's is lost, nothing of theirs is deleted, and calls that race are
//! made one after the other.

use super::world::World;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Clone, Debug)]
enum Deed {
    Read(u8),
    Write(u8, u8),
    Delete(u8),
    Move(u8, u8),
    Undo(usize),
    UserWrites(u8, u8),
    UserDeletes(u8),
}

fn deed() -> impl Strategy<Value = Deed> {
    let file = 0..3_u8;
    prop_oneof![
        file.clone().prop_map(Deed::Read),
        (file.clone(), 0..4_u8).prop_map(|(file, text)| Deed::Write(file, text)),
        file.clone().prop_map(Deed::Delete),
        (file.clone(), file.clone()).prop_map(|(from, to)| Deed::Move(from, to)),
        (0..8_usize).prop_map(Deed::Undo),
        (file.clone(), 0..4_u8).prop_map(|(file, text)| Deed::UserWrites(file, text)),
        file.prop_map(Deed::UserDeletes),
    ]
}

fn name(file: u8) -> String {
    format!("{}.md", ["a", "나", "c"][usize::from(file)])
}

/// What the user wrote last and nobody was shown since: it must stand there.
#[derive(Default)]
struct Theirs {
    unseen: BTreeMap<String, String>,
}

/// Takes a change back; gives what takes that back.
async fn take_back(
    world: &mut World,
    record: &Value,
    theirs: &mut Theirs,
    case: &str,
) -> Result<Option<Value>, TestCaseError> {
    let from = record["path"].as_str().unwrap().to_owned();
    let undone = world.undo(record, false).await;
    prop_assert!(undone.redo.is_none() || undone.conflicts.is_empty(), "{case}");
    // A file that moves back takes what the user wrote along.
    if let (Some(redo), Some(to)) = (&undone.redo, record["from"].as_str())
        && let Some(text) = theirs.unseen.remove(&from)
    {
        prop_assert_eq!(redo["path"].as_str(), Some(to));
        theirs.unseen.insert(to.to_owned(), text);
    }
    Ok(undone.redo)
}

/// A call that changes a file; gives what takes it back. What the user wrote is nothing new to a run that knows those very words.
async fn change(
    world: &mut World,
    tool: &str,
    file: u8,
    arguments: Value,
    theirs: &mut Theirs,
) -> Option<Value> {
    let knew = world.knows(&name(file));
    let output = world.call(tool, arguments).await.ok()?;
    if knew {
        theirs.unseen.remove(&name(file));
    }
    output.undo
}

async fn live(deeds: Vec<Deed>) -> Result<(), TestCaseError> {
    let mut world = World::new();
    let mut records: Vec<Value> = Vec::new();
    let mut theirs = Theirs::default();
    for (at, deed) in deeds.into_iter().enumerate() {
        let case = format!("{at}: {deed:?}");
        match deed {
            Deed::Read(file) => {
                if world.call("read_file", json!({"path": name(file)})).await.is_ok() {
                    theirs.unseen.remove(&name(file));
                }
            }
            Deed::Write(file, text) => {
                let write = json!({"path": name(file), "text": format!("run {text}")});
                records.extend(change(&mut world, "write_file", file, write, &mut theirs).await);
            }
            Deed::Delete(file) => {
                let delete = json!({"path": name(file)});
                records.extend(change(&mut world, "delete_file", file, delete, &mut theirs).await);
            }
            Deed::Move(from, to) => {
                let output = world.call("move_file", json!({"from": name(from), "to": name(to)})).await.ok();
                if let Some(output) = output {
                    if let Some(text) = theirs.unseen.remove(&name(from)) {
                        theirs.unseen.insert(name(to), text);
                    }
                    records.extend(output.undo);
                }
            }
            Deed::Undo(back) => {
                if let Some(at) = records.len().checked_sub(back + 1) {
                    let redo = take_back(&mut world, &records[at].clone(), &mut theirs, &case).await?;
                    records.extend(redo);
                }
            }
            Deed::UserWrites(file, text) => {
                // Half of them equal what a run writes: a file is not the run's because it looks like it.
                let text = if text < 2 { format!("run {text}") } else { format!("user {at}") };
                let place = world.at(&name(file));
                // As most editors save: a new file under the old name.
                std::fs::write(world.at("editor"), &text).unwrap();
                std::fs::rename(world.at("editor"), place).unwrap();
                theirs.unseen.insert(name(file), text);
            }
            Deed::UserDeletes(file) => {
                drop(std::fs::remove_file(world.at(&name(file))));
                theirs.unseen.remove(&name(file));
            }
        }
        for (file, text) in &theirs.unseen {
            let now = world.text(file);
            // It may be rewritten by what it already says, never lost.
            prop_assert_eq!(now.as_ref(), Some(text), "{}: {}", case, file);
        }
        prop_assert!(world.is_clean(), "{case}");
    }
    look_then_undo(&mut world, &records).await
}

/// A look at an undo of everything, the last first, tells what that undo then does.
async fn look_then_undo(world: &mut World, records: &[Value]) -> Result<(), TestCaseError> {
    let (mut taken_back, mut told) = (Vec::new(), Vec::new());
    for record in records.iter().rev() {
        let look = world.undo_after(record, true, &taken_back).await;
        if look.conflicts.is_empty() {
            taken_back.push(record.clone());
        }
        told.push((look.summary, look.conflicts));
    }
    for (record, told) in records.iter().rev().zip(told) {
        let done = world.undo(record, false).await;
        prop_assert_eq!((done.summary, done.conflicts), told);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_edit_of_the_users_is_lost(deeds in proptest::collection::vec(deed(), 1..24)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(live(deeds))?;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_writes_lose_nothing() {
    let mut world = World::new();
    let calls: Vec<_> = (0..40)
        .map(|at| world.order("write_file", json!({"path": "one.md", "text": format!("{at}")})))
        .collect();
    let tool = world.tool("write_file");
    let all = futures_util::future::join_all(calls.into_iter().map(|call| tool.run(call))).await;
    // All expected a free name: one found it.
    assert_eq!(all.iter().filter(|result| result.is_ok()).count(), 1);
    let refused = all.iter().filter_map(|result| result.as_ref().err());
    assert!(refused.into_iter().all(|error| error.code == "tool.unread"));

    let edits: Vec<_> = (0..40)
        .map(|at| {
            let mut call = world
                .order("edit_file", json!({"path": "list.md", "old": "end", "new": format!("{at}\nend")}));
            call.expect = None;
            call
        })
        .collect();
    std::fs::write(world.at("list.md"), "end\n").unwrap();
    let tool = world.tool("edit_file");
    let all = futures_util::future::join_all(edits.into_iter().map(|call| tool.run(call))).await;
    assert!(all.iter().all(Result::is_ok));
    let mut lines: Vec<u32> =
        world.text("list.md").unwrap().lines().filter_map(|line| line.parse().ok()).collect();
    lines.sort_unstable();
    assert_eq!(lines, (0..40).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_user_who_writes_all_the_time_loses_nothing() {
    let mut world = World::new();
    std::fs::write(world.at("shared.md"), "0").unwrap();
    let (path, side) = (world.at("shared.md"), world.at("side"));
    let user = std::thread::Builder::new().name("user".into()).spawn(move || {
        let mut lost = 0;
        for at in 1..400_u32 {
            std::fs::write(&side, format!("user {at}")).unwrap();
            std::fs::rename(&side, &path).unwrap();
            // Whatever replaces it for good has seen it. What has not is there until it is taken back, which a busy disk delays.
            let right = |now: String| now == format!("user {at}") || now == format!("run after user {at}");
            let look = || std::fs::read_to_string(&path).is_ok_and(right);
            let stands = (0..100_000).any(|_| {
                let stands = look();
                if !stands {
                    std::thread::sleep(Duration::from_micros(100));
                }
                stands
            });
            lost += u32::from(!stands);
        }
        lost
    });
    let user = user.unwrap();
    while !user.is_finished() {
        let Ok(read) = world.call("read_file", json!({"path": "shared.md"})).await else { continue };
        let text = format!("run after {}", read.text.rsplit("after ").next().unwrap());
        drop(world.call("write_file", json!({"path": "shared.md", "text": text})).await);
    }
    assert_eq!(user.join().unwrap(), 0);
    assert!(world.is_clean());
    assert_eq!(world.text("shared.md.nunchi-kept"), None);
}
