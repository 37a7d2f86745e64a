//! The country that the name of a fingerprint tells.

use crate::model::CountryCode;

/// Censored Planet's names carry the country third: `c_isp_ru_sevstar`, `f_gen_id_20_satellite`. A word of two letters
/// there that is no country (`ip`) makes an entry count nowhere, which errs on the careful side.
pub(super) fn named_in(name: &str) -> Option<CountryCode> {
    let word = name.split('_').nth(2).filter(|word| word.len() == 2)?;
    match word {
        "uk" => "GB".parse().ok(),
        word if word.bytes().all(|byte| byte.is_ascii_lowercase()) => word.to_ascii_uppercase().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_word_of_two_letters_is_a_country() {
        let of = |name| named_in(name).map(|country| country.as_str().to_owned());
        assert_eq!(of("c_isp_ru_sevstar").as_deref(), Some("RU"));
        assert_eq!(of("b_nat_uk_2").as_deref(), Some("GB"));
        assert_eq!(of("a_prod_barracuda_1"), None);
        assert_eq!(of("f_gen_2x_1"), None);
        assert_eq!(of("c_isp"), None);
    }
}
