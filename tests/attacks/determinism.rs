//! Row 21: a verdict and its fuel are a function of module, settings and inputs.

use portcullis_engine::{Engine, Policy};
use portcullis_tests::{Expect, find};

use super::meet::{engine, load, options, request, said};

const RUNS: usize = 1_000;

#[test]
fn a_thousand_runs_give_one_verdict_and_one_fuel_figure() {
    let dirt = load(engine(), &find("21-dirt")).unwrap();
    for name in [
        "00-allow",
        "00-every-import",
        "21-nan-bits",
        "21-nan-bits-32",
        "21-nan-bits-vector",
        "21-uninitialised-memory",
        "21-uninitialised-table",
        "21-hash-seed",
        "21-counter",
        "13-log-flood",
        "26-table-set",
    ] {
        let guest = find(name);
        let policy = load(engine(), &guest).unwrap();
        let first = policy.evaluate(&request());
        assert_eq!(Expect::Answer(said(&first)), guest.expect, "{name}: {:?}", first.said);
        for run in 0..RUNS {
            // A neighbour writes over all memory and tables that it can reach.
            if run % 10 == 0 {
                assert_eq!(said(&dirt.evaluate(&request())), "allow");
            }
            let evaluation = policy.evaluate(&request());
            assert_eq!(evaluation.said, first.said, "{name}: run {run}");
            assert_eq!(evaluation.fuel, first.fuel, "{name}: run {run}");
            assert_eq!(evaluation.log, first.log, "{name}: run {run}");
        }
    }
}

/// A fault that counts fuel, memory, stack or calls is as reproducible as a verdict.
#[test]
fn faults_reproduce_with_their_fuel() {
    for name in ["01-loop", "04-memory-grow", "07-recursion", "03-log", "10-bad-utf8", "11-post-return-traps"] {
        let policy = load(engine(), &find(name)).unwrap();
        let first = policy.evaluate(&request());
        for run in 0..20 {
            let evaluation = policy.evaluate(&request());
            assert_eq!((evaluation.said, evaluation.fuel), (first.said.clone(), first.fuel), "{name}: run {run}");
        }
    }
}

/// The same on another engine, in four threads at once, and with a policy that was loaded anew.
#[test]
fn engines_and_threads_agree() {
    let other = Engine::new(&options()).unwrap();
    for name in ["00-every-import", "21-uninitialised-memory", "21-hash-seed", "26-module-twice"] {
        let policies: Vec<Policy> =
            [engine(), engine(), &other].iter().map(|engine| load(engine, &find(name)).unwrap()).collect();
        let first = policies[0].evaluate(&request());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for policy in policies.iter().cycle().take(60) {
                        let evaluation = policy.evaluate(&request());
                        assert_eq!((&evaluation.said, evaluation.fuel), (&first.said, first.fuel), "{name}");
                    }
                });
            }
        });
    }
}
