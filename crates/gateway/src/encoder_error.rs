//! What is said where the sentence encoder is needed and cannot be asked: by the router's training and by calibration.

use nunchi_core::Lang;

/// The message.
pub(crate) fn no_encoder(lang: Lang) -> String {
    lang.pick("the sentence encoder cannot be asked", "문장 인코더를 쓸 수 없습니다").to_owned()
}

/// What helps.
pub(crate) fn no_encoder_hint(lang: Lang) -> String {
    lang.pick(
        "`nunchi models pull` fetches it; cache.semantic must be on.",
        "`nunchi models pull`로 받으세요. cache.semantic이 켜져 있어야 합니다.",
    )
    .to_owned()
}
