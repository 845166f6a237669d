//! The example of a message consumer.

#[path = "../../runtime/portcullis/examples/worker.rs"]
#[allow(dead_code, reason = "an example, with its main")]
mod example;

use std::fs;
use std::path::Path;

use example::{Counts, run};
use portcullis::DecisionView;

use super::site::{Site, guest, options, rate, text};

fn files(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_proceeds_is_done_once_and_the_rest_is_dead() {
    let site = Site::new();
    let set = site.write_set("set", "", &[guest("yes", "00-allow", ""), rate(2)]);
    let queue = site.path().join("queue");
    let inbox = queue.join("inbox");
    fs::create_dir_all(&inbox).unwrap();
    for name in ["1.json", "2.json", "3.json"] {
        fs::write(inbox.join(name), text("payment-api")).unwrap();
    }
    fs::write(inbox.join("4.json"), "{").unwrap();
    let counts = run(&set, &site.ledger_file(), &queue, &options()).unwrap();
    assert_eq!(counts, Counts { done: 2, dead: 2, left: 0 });
    assert_eq!(files(&queue.join("done")), ["1.json", "2.json"]);
    assert_eq!(files(&queue.join("dead")), ["3.json", "3.why", "4.json", "4.why"]);
    let why = fs::read(queue.join("dead/3.why")).unwrap();
    assert_eq!(DecisionView::parse(&why).unwrap().findings[0].code, "sample.deploy-rate.limit-reached");
    let deployed = files(&queue.join("deployed"));
    assert_eq!(deployed.len(), 2);
    for id in &deployed {
        assert!(site.reader().find(id.parse().unwrap()).unwrap().is_some());
    }
    // The same message once more: the same decision, and the same effect.
    fs::write(inbox.join("1.json"), text("payment-api")).unwrap();
    assert_eq!(run(&set, &site.ledger_file(), &queue, &options()).unwrap(), Counts { done: 1, dead: 0, left: 0 });
    assert_eq!(files(&queue.join("deployed")), deployed);
    // Another message under the name of an old one is not what was decided.
    fs::write(inbox.join("1.json"), text("billing")).unwrap();
    assert_eq!(run(&set, &site.ledger_file(), &queue, &options()).unwrap(), Counts { done: 0, dead: 1, left: 0 });
    assert_eq!(files(&queue.join("deployed")), deployed);
}

#[test]
fn without_a_gate_nothing_is_taken() {
    let site = Site::new();
    let set = site.write_set("set", "", &[guest("yes", "00-allow", "")]);
    let queue = site.path().join("queue");
    fs::create_dir_all(queue.join("inbox")).unwrap();
    fs::write(queue.join("inbox/1.json"), text("payment-api")).unwrap();
    let refused = |what: &str| {
        assert!(run(&set, &site.ledger_file(), &queue, &options()).is_err(), "{what}");
        assert_eq!(files(&queue.join("inbox")), ["1.json"], "{what}");
        assert!(files(&queue.join("deployed")).is_empty(), "{what}");
    };
    fs::write(site.ledger_file(), "not a ledger").unwrap();
    refused("a text file for a ledger");
    fs::remove_file(site.ledger_file()).unwrap();
    fs::rename(set.join("portcullis.lock"), set.join("kept")).unwrap();
    refused("no lock");
    fs::rename(set.join("kept"), set.join("portcullis.lock")).unwrap();
    let held = site.ledger();
    refused("a ledger that another process writes");
    drop(held);
    assert_eq!(run(&set, &site.ledger_file(), &queue, &options()).unwrap(), Counts { done: 1, dead: 0, left: 0 });
}
