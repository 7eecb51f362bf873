//! The currencies that there are, and in how many digits banks move each.
//!
//! Owns the list of codes that an operator may choose. Stored values and messages of others are read by their form
//! alone: a code that is withdrawn one day must not make the books of that day unreadable.
//!
//! Source: ISO 4217, list one ("current currency and funds code list"), as of 1 January 2026, without funds, metals,
//! units of account and codes for tests.

/// Without a minor unit.
const WITHOUT_DECIMALS: &str = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF";

/// With a minor unit of a hundredth.
const WITH_TWO: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD \
    CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG \
    HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR \
    MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP \
    SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR \
    ZMW ZWG";

/// With a minor unit of a thousandth.
const WITH_THREE: &str = "BHD IQD JOD KWD LYD OMR TND";

/// Digits after the decimal point in which banks move a currency; `None` for a code that is not in use.
pub fn minor_digits(code: &str) -> Option<u32> {
    let lists = [(WITHOUT_DECIMALS, 0), (WITH_TWO, 2), (WITH_THREE, 3)];
    lists.into_iter().find(|(codes, _)| codes.split(' ').any(|listed| listed == code)).map(|(_, digits)| digits)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_code_is_listed_once_and_well_formed() {
        let all: Vec<&str> =
            [WITHOUT_DECIMALS, WITH_TWO, WITH_THREE].iter().flat_map(|codes| codes.split(' ')).collect();
        assert_eq!(all.len(), 155);
        assert_eq!(all.iter().collect::<BTreeSet<&&str>>().len(), all.len());
        assert!(all.iter().all(|code| code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase())));
    }

    #[test]
    fn what_banks_do_not_move_is_not_listed() {
        let check = |code: &str, digits: Option<u32>| assert_eq!(minor_digits(code), digits, "{code}");
        check("EUR", Some(2));
        check("JPY", Some(0));
        check("KWD", Some(3));
        for code in ["EUX", "ZZZ", "XXX", "XTS", "XAU", "XDR", "CLF", "BGN", "HRK", "eur", "EU", "", " ", "EUR USD"] {
            check(code, None);
        }
    }
}
