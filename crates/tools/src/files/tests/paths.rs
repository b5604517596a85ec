//! No path leads out of the folders, whatever stands there.

use super::world::World;
use serde_json::json;
use std::os::unix::fs::symlink;

#[tokio::test]
async fn hostile_paths() {
    let mut world = World::new();
    std::fs::write(world.folder.path().join("secret"), "secret").unwrap();
    std::fs::write(world.at("closed/key"), "secret").unwrap();
    symlink(world.folder.path().join("secret"), world.at("link")).unwrap();
    symlink(world.folder.path(), world.at("out")).unwrap();
    symlink(".", world.at("loop")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        world.at("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let secret = world.folder.path().join("secret");
    for (path, code) in [
        ("../secret", "file.outside"),
        ("a/../../secret", "file.outside"),
        ("..", "file.outside"),
        (secret.to_str().unwrap(), "file.outside"),
        ("/etc/passwd", "file.outside"),
        ("~/.ssh/id_rsa", "file.outside"),
        ("@work/x", "file.outside"),
        ("@other/x", "file.outside"),
        ("link", "file.link"),
        ("out/secret", "file.link"),
        ("loop/link", "file.link"),
        ("closed/key", "file.closed"),
        ("./closed/key", "file.path"),
        ("closed//key", "file.path"),
        ("a\0b", "file.path"),
        ("a\nb", "file.path"),
        ("..\\secret", "file.path"),
        (".nunchi-abc", "file.path"),
        ("pipe", "file.kind"),
        ("closed", "file.kind"),
        (".", "file.kind"),
        ("no/such", "file.missing"),
        (&"x".repeat(300), "file.path"),
        (&"x/".repeat(900), "file.path"),
    ] {
        let error = world.call("read_file", json!({ "path": path })).await.unwrap_err();
        assert!(error.code == code || (path == "closed" && error.code == "file.closed"), "{path}: {error}");
        if !matches!(code, "file.missing") {
            for (tool, rest) in [("write_file", json!({"text": "x"})), ("delete_file", json!({}))] {
                let mut arguments = rest;
                arguments["path"] = json!(path);
                let result = world.call(tool, arguments).await;
                assert!(result.is_err(), "{tool} {path}: {result:?}");
            }
        }
        let to = json!({"from": path, "to": "moved"});
        assert!(world.call("move_file", to).await.is_err(), "{path}");
    }
    assert_eq!(std::fs::read_to_string(secret).unwrap(), "secret");
    assert_eq!(world.text("closed/key").as_deref(), Some("secret"));
    assert!(world.is_clean());
}

#[tokio::test]
async fn a_file_has_one_spelling_and_the_error_tells_it() {
    let mut world = World::new();
    std::fs::create_dir(world.at("a")).unwrap();
    std::fs::write(world.at("a/b.md"), "x").unwrap();
    let inside = world.at("a/b.md").canonicalize().unwrap();
    for path in ["a//b.md", "./a/b.md", "a/./b.md", inside.to_str().unwrap()] {
        let error = world.call("read_file", json!({ "path": path })).await.unwrap_err();
        assert_eq!(error.hint.as_deref(), Some("Write `a/b.md`."), "{path}: {error}");
    }
    assert_eq!(world.call("read_file", json!({"path": "a/b.md"})).await.unwrap().text, "x");
}

#[tokio::test]
async fn korean_names_composed_or_not() {
    let mut world = World::new();
    // As some systems write 보고서.md.
    let decomposed = "\u{1107}\u{1169}\u{1100}\u{1169}\u{1109}\u{1165}.md";
    std::fs::write(world.at(decomposed), "첫째 줄\n둘째 줄\n").unwrap();
    let read = world.call("read_file", json!({"path": "보고서.md"})).await.unwrap();
    assert_eq!(read.text, "첫째 줄\n둘째 줄\n");
    let error = world.call("read_file", json!({ "path": decomposed })).await.unwrap_err();
    assert_eq!(error.hint.as_deref(), Some("Write `보고서.md`."));
    world.call("edit_file", json!({"path": "보고서.md", "old": "둘째", "new": "두 번째"})).await.unwrap();
    assert_eq!(world.text(decomposed).as_deref(), Some("첫째 줄\n두 번째 줄\n"));
    assert!(!std::fs::exists(world.at("보고서.md")).unwrap());
    assert!(world.call("list_files", json!({})).await.unwrap().text.contains("보고서.md"));
}

#[tokio::test]
async fn a_folder_swapped_for_a_link_is_not_entered() {
    let mut world = World::new();
    let outside = world.folder.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::create_dir(world.at("sub")).unwrap();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    symlink(&outside, world.at("link")).unwrap();
    let (inner, sub, link) = (std::sync::Arc::clone(&stop), world.at("sub"), world.at("link"));
    let swapper = std::thread::Builder::new().name("swapper".into()).spawn(move || {
        while !inner.load(std::sync::atomic::Ordering::Relaxed) {
            let (cwd, flags) = (rustix::fs::CWD, rustix::fs::RenameFlags::EXCHANGE);
            rustix::fs::renameat_with(cwd, &sub, cwd, &link, flags).unwrap();
        }
    });
    let mut written = 0;
    for at in 0..300 {
        let path = format!("sub/{at}.md");
        written += usize::from(world.call("write_file", json!({"path": path, "text": "x"})).await.is_ok());
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    swapper.unwrap().join().unwrap();
    assert_eq!(std::fs::read_dir(outside).unwrap().count(), 0);
    let folder = if world.at("sub").is_symlink() { "link" } else { "sub" };
    assert_eq!(std::fs::read_dir(world.at(folder)).unwrap().count(), written);
}
