//! What people are told and shown: logs, messages, reasons for refusal (rows 13, 15, 16, 20).

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_engine::{HostData, PolicySource};
use portcullis_gate::{Document, LoadFault, Said, Sha256, Verdict};
use portcullis_tests::find;

use super::meet::{engine, limits, load, printable, request, said};

#[test]
fn a_flood_of_log_lines_is_cut_at_the_limit() {
    let guest = find("13-log-flood");
    let evaluation = load(engine(), &guest).unwrap().evaluate(&request());
    assert_eq!(said(&evaluation), "allow");
    let (last, kept) = evaluation.log.split_last().unwrap();
    let bytes: usize = kept.iter().map(String::len).sum();
    assert!(bytes as u64 <= limits(&guest).log_bytes, "{bytes}");
    assert!(bytes > 8_000, "{bytes}");
    assert!(last.contains("dropped"), "{last}");
    assert!(last.len() < 200, "{last}");
}

#[test]
fn nothing_that_a_policy_logs_or_says_moves_a_terminal() {
    for name in ["13-log-escapes", "13-message-escapes", "13-error-escapes", "03-data-unknown"] {
        let guest = find(name);
        let evaluation = load(engine(), &guest).unwrap().evaluate(&request());
        let mut texts = evaluation.log.clone();
        match &evaluation.said {
            Said::Fault(faulted) => texts.push(faulted.detail.clone()),
            Said::Answer(answer) => match &answer.verdict {
                Verdict::Findings(findings) => texts.extend(findings.iter().map(|finding| finding.message.clone())),
                Verdict::Abstain => panic!("{name}"),
            },
        }
        for text in &texts {
            printable(&guest, text);
        }
        let escaped = texts.iter().any(|text| text.contains("\\u{1b}"));
        assert!(escaped, "{name}: the escape is shown, not lost: {texts:?}");
    }
}

#[test]
fn an_import_beyond_the_world_is_named() {
    for (name, words) in [
        ("15-wasi-sockets", "wasi:sockets/tcp@0.2.0"),
        ("15-wasi-clocks", "wasi:clocks/monotonic-clock@0.2.0"),
        ("15-function", "now"),
        ("15-core-module", "code"),
        ("15-export", "run"),
        ("15-no-evaluate", "evaluate"),
        ("16-version-0.1.1", "0.1.1"),
    ] {
        let error = load(engine(), &find(name)).unwrap_err();
        assert!(error.detail.contains(words), "{name}: {error}");
    }
}

#[test]
fn a_refused_policy_says_what_its_settings_lack() {
    let error = load(engine(), &find("25-problems")).unwrap_err();
    assert_eq!(error.fault, LoadFault::Settings);
    assert!(error.detail.contains("/abc") && error.detail.contains("missing"), "{error}");
}

/// Row 20. The pin is looked at before anything else of the module: what is not the pinned module is not even
/// parsed.
#[test]
fn a_module_that_is_not_the_one_in_the_lock_is_refused() {
    let honest = find("00-allow");
    let data: Arc<dyn HostData> = Arc::new(BTreeMap::<String, Document>::new());
    let source = |expected| PolicySource {
        name: "pinned",
        settings: "{}",
        limits: limits(&honest),
        data: Arc::clone(&data),
        expected_sha256: Some(expected),
    };
    let pin = Sha256::of(&honest.bytes);
    assert!(engine().load(&honest.bytes, &source(pin)).is_ok());
    for other in ["00-abstain", "17-elf", "14-locals-4g", "17-empty"] {
        let module = find(other).bytes;
        let error = engine().load(&module, &source(pin)).unwrap_err();
        assert_eq!(error.fault, LoadFault::Pin, "{other}: {error}");
        let (expected, found) = (pin.to_string(), Sha256::of(&module).to_string());
        assert!(error.detail.contains(&expected) && error.detail.contains(&found), "{other}: {error}");
    }
    // One bit of the module, one bit of the pin.
    let mut module = honest.bytes.clone();
    *module.last_mut().unwrap() ^= 1;
    assert_eq!(engine().load(&module, &source(pin)).unwrap_err().fault, LoadFault::Pin);
    let mut digits = pin.to_string();
    let last = if digits.pop() == Some('0') { '1' } else { '0' };
    digits.push(last);
    let wrong = Sha256::from_hex(&digits).unwrap();
    assert_eq!(engine().load(&honest.bytes, &source(wrong)).unwrap_err().fault, LoadFault::Pin);
}
