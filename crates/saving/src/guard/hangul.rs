//! Korean word forms: jamo, particles (josa) and verb endings. Small on purpose: what it strips wrongly, it strips wrongly
//! in both questions.

/// The role that a particle gives its noun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Role {
    /// None that matters.
    #[default]
    None,
    /// Where it comes from.
    From,
    /// Where it goes to, or into what it is turned.
    To,
    /// What it is compared with.
    Than,
    /// What is ruled out.
    Except,
    /// Who acts.
    Subject,
    /// What is acted upon.
    Object,
}

/// Particles, longest first, with the role they give.
const PARTICLES: [(&str, Role); 58] = [
    ("으로부터", Role::From),
    ("에서부터", Role::From),
    ("에게서", Role::From),
    ("한테서", Role::From),
    ("에서는", Role::From),
    ("에서도", Role::From),
    ("에서의", Role::From),
    ("로부터", Role::From),
    ("까지는", Role::To),
    ("까지의", Role::To),
    ("으로는", Role::To),
    ("에게는", Role::To),
    ("한테는", Role::To),
    ("보다는", Role::Than),
    ("이라는", Role::None),
    ("이라도", Role::None),
    ("이랑은", Role::None),
    ("에서", Role::From),
    ("부터", Role::From),
    ("까지", Role::To),
    ("으로", Role::To),
    ("에게", Role::To),
    ("한테", Role::To),
    ("께서", Role::Subject),
    ("보다", Role::Than),
    ("보단", Role::Than),
    ("처럼", Role::None),
    ("마다", Role::None),
    ("조차", Role::None),
    ("마저", Role::None),
    ("이나", Role::None),
    ("이랑", Role::None),
    ("이야", Role::None),
    ("이고", Role::None),
    ("이란", Role::None),
    ("에는", Role::None),
    ("에도", Role::None),
    ("에만", Role::None),
    ("에선", Role::From),
    ("와의", Role::None),
    ("과의", Role::None),
    ("들이", Role::Subject),
    ("들을", Role::Object),
    ("들은", Role::Subject),
    ("은", Role::Subject),
    ("는", Role::Subject),
    ("이", Role::Subject),
    ("가", Role::Subject),
    ("을", Role::Object),
    ("를", Role::Object),
    ("에", Role::None),
    ("의", Role::None),
    ("와", Role::None),
    ("과", Role::None),
    ("도", Role::None),
    ("로", Role::To),
    ("만", Role::None),
    ("랑", Role::None),
];

/// Syllables that endings and particles are made of.
const ENDING_SYLLABLES: &str = "는은을를이가에의와과도로만랑나야요께서지고면려기니던거게줘주라자다습까세시십오해하했할합한함됐된될됨되돼있을었였겠어아여죠네냐군걸건데으러려면든지요록느냐구우셨신실시켜킬킨키며서부터한테까보단란인임입일였랬래대답잖음므로써더든젠";

/// The role of a bare particle, as it follows a Latin word or a digit.
pub(super) fn particle(text: &str) -> Option<Role> {
    PARTICLES.iter().find(|(particle, _)| *particle == text).map(|(_, role)| *role)
}

/// Splits a noun from its particle; a stem keeps two syllables, or one before a particle of two.
pub(super) fn strip_particle(word: &str) -> (&str, Role) {
    let syllables = word.chars().count();
    for (particle, role) in PARTICLES {
        let Some(stem) = word.strip_suffix(particle) else { continue };
        let left = syllables - particle.chars().count();
        if left >= 2 || (left == 1 && particle.chars().count() > 1) {
            return (stem, role);
        }
    }
    (word, Role::None)
}

/// The role that a tail of particles gives: the first particle that the tail begins with.
pub(super) fn tail_role(tail: &str) -> Role {
    PARTICLES.iter().find(|(particle, _)| tail.starts_with(particle)).map_or(Role::None, |(_, role)| *role)
}

/// Whether a tail is made of endings and particles alone.
pub(super) fn is_ending(tail: &str) -> bool {
    tail.chars().all(|c| ENDING_SYLLABLES.contains(c))
}

/// The stem of a word that no list knows: a noun before 하다 / 되다 / 시키다, or the word without its last endings.
pub(super) fn stem(word: &str) -> (&str, Role) {
    for (at, c) in word.char_indices().skip(2) {
        if "하해했할합한함되돼됐된될됨됩시킬킨".contains(c) && is_ending(&word[at..]) {
            return (&word[..at], Role::None);
        }
    }
    let (noun, role) = strip_particle(word);
    if noun.len() < word.len() {
        return (noun, role);
    }
    let mut stem = word;
    while stem.chars().count() > 2 {
        let Some((at, last)) = stem.char_indices().next_back() else { break };
        if !"다요까니는은을를지고면려기던게서야죠네냐나군데어아".contains(last) {
            break;
        }
        stem = &stem[..at];
    }
    (stem, Role::None)
}

/// Pushes the letters (jamo) of a syllable, as code points; other characters are pushed as they are.
pub(super) fn push_jamo(c: char, to: &mut Vec<u32>) {
    let code = c as u32;
    if !('가'..='힣').contains(&c) {
        to.push(code);
        return;
    }
    let index = code - 0xAC00;
    to.push(0x1100 + index / 588);
    to.push(0x1161 + index % 588 / 28);
    if !index.is_multiple_of(28) {
        to.push(0x11A7 + index % 28);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn particles_are_stripped() {
        for (word, stem, role) in [
            ("서울에서", "서울", Role::From),
            ("도쿄까지", "도쿄", Role::To),
            ("철수보다", "철수", Role::Than),
            ("냉장고를", "냉장고", Role::Object),
            ("나이", "나이", Role::None),
            ("집에서", "집", Role::From),
        ] {
            assert_eq!(strip_particle(word), (stem, role), "{word}");
        }
    }

    #[test]
    fn verbs_of_nouns_keep_the_noun() {
        for (word, expected) in
            [("설정하려면", "설정"), ("작동시키는", "작동"), ("분류해야", "분류"), ("울리나요", "울리")]
        {
            assert_eq!(stem(word).0, expected, "{word}");
        }
    }

    #[test]
    fn syllables_fall_apart() {
        let mut letters = Vec::new();
        push_jamo('한', &mut letters);
        push_jamo('a', &mut letters);
        assert_eq!(letters, [0x1112, 0x1161, 0x11AB, 'a' as u32]);
    }
}
