//! What a reviewer is shown of hostile guests: a report of bounded size, in bounded time, that promises nothing of what is
//! refused.

use std::time::{Duration, Instant};

use portcullis_gate::text::is_unprintable;
use portcullis_inspect::{InspectLimits, differences, review};
use portcullis_tests::{Expect, find, sources};

#[test]
fn every_guest_can_be_reviewed_and_compared() {
    let honest = review(&find("00-allow").bytes, &InspectLimits::default());
    assert!(honest.report.admissible && honest.complete);
    let mut refused = 0;
    for source in sources::ALL {
        let guest = source.guest();
        let start = Instant::now();
        let found = review(&guest.bytes, &InspectLimits::default());
        let changes = differences(&honest, &found);
        let took = start.elapsed();
        assert!(took < LONGEST, "{}: {took:?}", guest.name);
        let report = &found.report;
        assert_eq!(report.admissible, report.code.is_none(), "{}", guest.name);
        assert_eq!(report.admissible, !found.cannot.is_empty(), "{}", guest.name);
        if !report.admissible {
            refused += 1;
            assert!(matches!(guest.expect, Expect::Load { .. }), "{}: {:?}", guest.name, report.detail);
            assert!(changes.changes[0].attention.is_some(), "{}: that it would not be loaded comes first", guest.name);
        }
        assert_eq!(changes.identical, guest.bytes == find("00-allow").bytes, "{}", guest.name);
        let json = serde_json::to_string(&(&found, &changes)).unwrap();
        assert!(json.len() < LARGEST, "{}: {} bytes", guest.name, json.len());
        assert!(!json.chars().any(is_unprintable), "{}", guest.name);
    }
    assert!(refused > 20, "{refused} of the guests are refused for their bytes");
}

/// The machine may be busy.
const LONGEST: Duration = Duration::from_secs(20);
const LARGEST: usize = 200_000;
